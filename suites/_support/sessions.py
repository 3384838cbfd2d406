"""Sessions on the system under test, by user or by credentials."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import requests

from nightproof.evidence import channel
from nightproof.quilt import Credentials
from nightproof.quilt import Timeouts
from nightproof.quilt import create_quilt_ops
from nightproof.quilt.catalog import Catalog
from nightproof.quilt.tokens import TokenFile
from suites._support.settings import settings

if TYPE_CHECKING:
    from nightproof.quilt import QuiltOps


TIMEOUT_S: Final = 10


def sign_in(backend: str, user: str) -> QuiltOps:
    """Return a client for a user of the target, signed in with that user's refresh token."""
    return with_credentials(backend, settings().credentials(user))


def own_refresh_token(user: str) -> str:
    """Return a new refresh token branched off the shared one, for a client that exchanges and keeps it by itself."""
    url = settings().catalog_url
    with channel("observer"):
        catalog = Catalog("platform", None, Timeouts())
        catalog.registry_url = str(requests.get(f"{url}/config.json", timeout=TIMEOUT_S).json()["registryUrl"])
        shared = TokenFile(Path(settings().tokens), settings().refresh_token(user))
        return shared.branch(partial(catalog.exchange, "sign_in"))


def with_credentials(backend: str, given: dict[str, Any], **more: Any) -> QuiltOps:
    """Return a client on the target's catalog with exactly these credentials, or without any if empty."""
    known = {"catalog_url": settings().catalog_url, "registry": settings().registry, "timeouts": None} | more
    credentials = Credentials(**given) if given else None
    return create_quilt_ops(backend, credentials=credentials, **known)


def lent_keys(ops: QuiltOps) -> dict[str, str]:
    """Return AWS credentials that the registry issues to a signed-in user, as environment variables."""
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
    """Return the folder in which quilt3 keeps the session of this process."""
    return os.environ.get("XDG_DATA_HOME", os.path.expanduser("~/.local/share"))  # noqa: PTH111 - quilt3 does so
