"""Defects of who may do what: authorisation that is off, and keys that count beyond their end.

ministack 1.5.33 decides both inside, and has no switch for either: from the start of the service on it asks ours.
Besides, it forgets a session at its end as soon as another one begins, and then answers an expired key as an unknown
one; AWS answers ExpiredToken, so sessions are kept for a day.
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
NO_REQUEST: Final[frozenset[str]] = frozenset()  # nothing is changed after the answer
DEFECTS: Final[Mapping[str, Defect]] = {
    IGNORES_IAM: Defect("S3 does whatever anybody with valid keys asks", NO_REQUEST),
    ACCEPTS_EXPIRED: Defect("keys of a session count beyond its end", NO_REQUEST),
}


class Sessions(dict[str, dict[str, Any]]):
    """The sessions by access key, as ministack reads them; while a defect is on none of them ends."""

    def __init__(self, known: Mapping[str, dict[str, Any]], is_on: Callable[[str], bool]) -> None:
        super().__init__(known)
        self._is_on = is_on

    def get(self, key: str, default: Any = None) -> Any:
        """Give a session."""
        found = super().get(key, default)
        return found | {"Expiration": None} if found and self._is_on(ACCEPTS_EXPIRED) else found

    def forget(self) -> None:
        """Drop the sessions that ended long ago."""
        until = time.time() - KEPT_S
        for key in [key for key, session in self.items() if (session.get("Expiration") or until) < until]:
            del self[key]


def watch_rights(is_on: Callable[[str], bool]) -> None:
    """Have ministack ask, from now on, whether a defect of rights is on."""
    sessions, enforce = Sessions(ministack_sts._sessions, is_on), iam_evaluator.enforce  # noqa: SLF001 - no other way

    def enforced(access_key_id: str, iam_action: str, service: str, *rest: Any, **more: Any) -> Any:
        denied = enforce(access_key_id, iam_action, service, *rest, **more)
        is_let_in = service == "s3" and not isinstance(denied, iam_evaluator.AuthError) and is_on(IGNORES_IAM)
        return None if is_let_in else denied

    ministack_sts._sessions = sessions  # noqa: SLF001 - as above
    ministack_sts._evict_expired_sessions = sessions.forget  # noqa: SLF001 - as above
    iam_evaluator.enforce = enforced
