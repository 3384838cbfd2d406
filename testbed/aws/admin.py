"""ministack's own endpoints, such as a full reset; a caller needs the control token."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from typing import Final

from testbed.aws.asgi import Answer
from testbed.aws.asgi import App
from testbed.aws.asgi import deliver
from testbed.aws.asgi import headers_of
from testbed.faults.control import is_token

if TYPE_CHECKING:
    from testbed.aws.asgi import Receive
    from testbed.aws.asgi import Scope
    from testbed.aws.asgi import Send

# ministack serves these paths itself, even on the host name of a bucket, where S3 would read them as keys.
ADMIN: Final = re.compile(r"/+_(?:ministack|localstack|aws)(?:/|$)", re.IGNORECASE)
NO_BUCKET: Final = re.compile(r"/+_")  # no bucket name begins with `_`
BARE: Final = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::\d+)?", re.IGNORECASE)
REFUSED: Final = b'{"message": "The control token is missing or wrong."}'


class Admin:
    """An ASGI app that passes requests with the control token on and answers 401 to others."""

    def __init__(self, ministack: App, token: str) -> None:
        self._ministack = ministack
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if is_token(headers_of(scope).get("authorization", ""), self._token):
            await self._ministack(scope, receive, send)
        else:
            await deliver(Answer(401, {"content-type": "application/json"}, REFUSED), send)


def is_admin(scope: Scope) -> bool:
    """Return whether a request is for ministack itself and not for an object."""
    path, host = scope["path"], headers_of(scope).get("host", "")
    return bool(ADMIN.match(path) or (NO_BUCKET.match(path) and BARE.fullmatch(host)))
