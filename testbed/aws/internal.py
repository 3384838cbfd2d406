"""Our own requests to ministack, in process and signed as root.

They are sent only after the caller's own request was permitted.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from typing import Final
from urllib.parse import quote
from urllib.parse import urlencode

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from testbed.aws.asgi import Answer
from testbed.aws.asgi import App
from testbed.aws.asgi import collect
from testbed.aws.asgi import replay

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT: Final = Credentials("test", "test")
HOST: Final = "127.0.0.1"


class Internal:
    """An in-process S3 client with root's signature."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def ask(
        self,
        method: str,
        bucket: str,
        key: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        region: str = "us-east-1",
    ) -> Answer:
        """Return the response to one request; an error status does not raise."""
        path = quote(f"/{bucket}/{key}", safe="/~-_.")
        text = urlencode(query or {})
        request = AWSRequest(method, f"http://{HOST}{path}{'?' + text if text else ''}", dict(headers or {}), body)
        request.headers["x-amz-content-sha256"] = hashlib.sha256(body).hexdigest()
        S3SigV4Auth(ROOT, "s3", region).add_auth(request)
        sent = {"host": HOST, "content-length": str(len(body))} | {
            k.lower(): str(v) for k, v in request.headers.items()
        }
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": f"/{bucket}/{key}",
            "raw_path": path.encode(),
            "query_string": text.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in sent.items()],
            "client": (HOST, 0),
            "server": (HOST, 80),
        }
        return await collect(self._app, scope, replay(body))
