"""Sessions on the system under test: who signs in, and with what."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import requests

from nightproof.quilt import Credentials
from nightproof.quilt import create_quilt_ops
from suites._support.settings import settings

if TYPE_CHECKING:
    from nightproof.quilt import QuiltOps


TIMEOUT_S: Final = 10


def sign_in(backend: str, user: str) -> QuiltOps:
    """Give the instance of a user of the target, by that user's refresh token."""
    return with_credentials(backend, {"refresh_token": settings().refresh_token(user)})


def with_credentials(backend: str, given: dict[str, Any], **more: Any) -> QuiltOps:
    """Give an instance on the target's catalog with exactly these credentials; none at all when empty."""
    known = {"catalog_url": settings().catalog_url, "registry": settings().registry, "timeouts": None} | more
    credentials = Credentials(**given) if given else None
    return create_quilt_ops(backend, credentials=credentials, **known)


def lent_keys(ops: QuiltOps) -> dict[str, str]:
    """Let the registry lend AWS keys to a signed-in user, as the environment of a process."""
    answer = requests.get(
        f"{ops.get_auth_status().registry_url}/api/auth/get_credentials",
        headers=ops.get_graphql_auth_headers(),
        timeout=TIMEOUT_S,
    )
    answer.raise_for_status()
    names = {"AccessKeyId": "AWS_ACCESS_KEY_ID", "SecretAccessKey": "AWS_SECRET_ACCESS_KEY",
             "SessionToken": "AWS_SESSION_TOKEN"}  # fmt: skip
    return {variable: str(answer.json()[name]) for name, variable in names.items()}


def default_data_home() -> str:
    """Name the folder in which quilt3 keeps the session of this process."""
    return os.environ.get("XDG_DATA_HOME", os.path.expanduser("~/.local/share"))  # noqa: PTH111 - quilt3 does so
