"""quilt3's own state: the library keeps one signed-in user per process, in files of its home."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import quilt3
from quilt3 import hooks

from nightproof.quilt.records import Credentials

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.config import Config

    from nightproof.quilt.answers import Keys
    from nightproof.quilt.records import Catalog_Config


@dataclass(frozen=True)
class User:
    """Who uses the library, where, and how long one of its requests may take."""

    catalog_url: str
    config: Catalog_Config
    keys: Keys
    limits: Config

    @property
    def mark(self) -> tuple[object, ...]:
        """Tell users apart."""
        return (self.catalog_url, self.config, self.keys, self.limits.read_timeout)  # type: ignore[attr-defined]


class _Library:
    """Lets any number of threads of one user in; another user waits until they are out."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._inside = 0
        self._mark: tuple[object, ...] = ()

    @contextmanager
    def entered(self, user: User) -> Iterator[Any]:
        """Give the library with this user signed in; must not be nested."""
        with self._turn:
            self._turn.wait_for(lambda: self._inside == 0 or self._mark == user.mark)
            if self._mark != user.mark:
                self._mark = ()
                _sign_in(user)
                self._mark = user.mark
            self._inside += 1
        try:
            yield quilt3
        finally:
            with self._turn:
                self._inside -= 1
                self._turn.notify_all()


LIBRARY: Final = _Library()
# What was read once says nothing about S3 now; besides, threads that fill the cache trip over each other's files.
quilt3.util.IS_CACHE_ENABLED = False


def _sign_in(user: User) -> None:
    # Written as values: given the URL, the library would fetch config.json once more, without any time limit.
    quilt3.config(
        navigator_url=user.catalog_url, registryUrl=user.config.registry_url, region=user.config.region,
        apiGatewayEndpoint=user.config.api_gateway_endpoint,
    )  # fmt: skip
    stored = {
        "access_key": user.keys.AccessKeyId,
        "secret_key": user.keys.SecretAccessKey,
        "token": user.keys.SessionToken,
        "expiry_time": user.keys.Expiration,
    }
    quilt3.session._save_credentials(stored)  # noqa: SLF001 - login_with_token would rotate the user's token

    clients: dict[object, Any] = {}

    def bounded(build: Any, session: Any, arguments: dict[str, Any], **more: Any) -> Any:
        # The library makes a client for every small step, and making one takes longer than the step itself.
        config = arguments["config"].merge(user.limits)
        if config.signature_version not in clients:
            clients[config.signature_version] = build(session, arguments | {"config": config}, **more)
        return clients[config.signature_version]

    hooks.set_build_s3_client_hook(bounded)


def stored_session(catalog_url: str | None) -> Credentials | None:
    """Give the session that `quilt3 login` left in this home for the catalog, or nothing."""
    home = quilt3.util.load_config()
    if not catalog_url or (home.get("navigator_url") or "").rstrip("/") != catalog_url.rstrip("/"):
        return None
    stored = quilt3.session._load_auth().get(home.get("registryUrl"))  # noqa: SLF001 - quilt3 has no public reader
    if not stored:
        return None
    return Credentials(
        refresh_token=stored["refresh_token"], access_token=stored["access_token"], expires_at=stored["expires_at"]
    )
