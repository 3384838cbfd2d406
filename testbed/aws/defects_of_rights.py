"""Defects of permissions: authorisation that is off, and session credentials that work after their end.

ministack 1.5.33 decides both internally and has no setting, so its functions are replaced at start.

Besides, ministack deletes an ended session as soon as another begins, and then reports the key as unknown. AWS answers
ExpiredToken, so sessions are kept for a day.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from ministack.core import iam_evaluator
from ministack.services import sts as ministack_sts

from testbed.aws.exchange import Defect

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping

IGNORES_IAM: Final = "s3-ignores-iam"
ACCEPTS_EXPIRED: Final = "s3-accepts-expired-keys"
KEPT_S: Final = 86400
NO_REQUEST: Final[frozenset[str]] = frozenset()  # these defects act inside ministack and change no answer
DEFECTS: Final[Mapping[str, Defect]] = {
    IGNORES_IAM: Defect("S3 does whatever anybody with valid keys asks", NO_REQUEST),
    ACCEPTS_EXPIRED: Defect("keys of a session count beyond its end", NO_REQUEST),
}


class Sessions(dict[str, dict[str, Any]]):
    """The sessions by access key, as ministack reads them; none ends while the defect is active."""

    def __init__(self, known: Mapping[str, dict[str, Any]], is_on: Callable[[str], bool]) -> None:
        super().__init__(known)
        self._is_on = is_on

    def get(self, key: str, default: Any = None) -> Any:
        """Return a session; without an end while `s3-accepts-expired-keys` is active."""
        found = super().get(key, default)
        return found | {"Expiration": None} if found and self._is_on(ACCEPTS_EXPIRED) else found

    def forget(self) -> None:
        """Delete the sessions that ended more than a day ago."""
        until = time.time() - KEPT_S
        for key in [key for key, session in self.items() if (session.get("Expiration") or until) < until]:
            del self[key]


def watch_rights(is_on: Callable[[str], bool]) -> None:
    """Replace ministack's sessions and permission check by ones that ask `is_on` for active defects."""
    sessions, enforce = Sessions(ministack_sts._sessions, is_on), iam_evaluator.enforce  # noqa: SLF001 - no other way

    def enforced(access_key_id: str, iam_action: str, service: str, *rest: Any, **more: Any) -> Any:
        denied = enforce(access_key_id, iam_action, service, *rest, **more)
        is_let_in = service == "s3" and not isinstance(denied, iam_evaluator.AuthError) and is_on(IGNORES_IAM)
        return None if is_let_in else denied

    ministack_sts._sessions = sessions  # noqa: SLF001 - as above
    ministack_sts._evict_expired_sessions = sessions.forget  # noqa: SLF001 - as above
    iam_evaluator.enforce = enforced
