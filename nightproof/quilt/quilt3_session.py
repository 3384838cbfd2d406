"""State of the quilt3 library, which keeps one signed-in user per process in files of its home folder."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import quilt3
from quilt3 import hooks
from requests.adapters import HTTPAdapter

from nightproof.quilt.aws import share_models
from nightproof.quilt.records import Credentials

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    import requests
    from botocore.config import Config

    from nightproof.quilt.answers import Keys
    from nightproof.quilt.records import Catalog_Config


@dataclass(frozen=True)
class User:
    """A user of the library: catalog, configuration, AWS keys, request limits and access token."""

    catalog_url: str
    config: Catalog_Config
    keys: Keys
    limits: Config
    token: str = field(repr=False)

    @property
    def mark(self) -> tuple[object, ...]:
        """Return the values that distinguish this user from others."""
        limit = self.limits.read_timeout  # type: ignore[attr-defined]  # botocore makes its attributes at run time
        return (self.catalog_url, self.config, self.keys, self.token, limit)


class _SentWrites:
    """A counter of the library's requests that write, that is neither GET nor HEAD."""

    def __init__(self) -> None:
        self.count = 0
        self._lock = threading.Lock()

    def note(self, request: Any, **_: Any) -> None:
        """Count a request that is about to be sent, unless it only reads."""
        if request.method not in {"GET", "HEAD"}:
            with self._lock:
                self.count += 1


SENT_WRITES: Final = _SentWrites()


class _Library:
    """A gate to the library: threads of one user enter together; another user waits until they have left."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._inside = 0
        self._mark: tuple[object, ...] = ()

    @contextmanager
    def entered(self, user: User) -> Iterator[Any]:
        """Yield the library with this user signed in.

        Must not be nested: with a token renewed in between, the inner call would wait for its own outer one.
        """
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
# A cached answer says nothing about S3 now. Besides, threads that fill the cache collide on its files.
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

    quilt3.session.clear_session()
    quilt3.session._session = _session_of(user)  # noqa: SLF001 - as above

    clients: dict[object, Any] = {}

    def bounded(build: Any, session: Any, arguments: dict[str, Any], **more: Any) -> Any:
        # The library builds a client for every small step, and building one takes longer than the step itself.
        config = arguments["config"].merge(user.limits)
        if config.signature_version not in clients:
            share_models(session)
            made = clients[config.signature_version] = build(session, arguments | {"config": config}, **more)
            made.meta.events.register("before-send.s3", SENT_WRITES.note)
        return clients[config.signature_version]

    hooks.set_build_s3_client_hook(bounded)


def _session_of(user: User) -> requests.Session:
    """Return the library's session for the registry, with time limits and a hook that sees each response first."""
    made: requests.Session = quilt3.session._create_session({"access_token": user.token})  # noqa: SLF001 - as above
    bounded = _Bounded(user.limits)
    made.mount("http://", bounded)
    made.mount("https://", bounded)
    # First in the list: the library's own hook drops the status, and fails on bodies without a message.
    made.hooks["response"] = [_look, *_listed(made.hooks["response"])]
    return made


def _listed(hooks: Any) -> list[Any]:
    return hooks if isinstance(hooks, list) else [hooks]


class _Bounded(HTTPAdapter):
    """A transport adapter that limits every request of the library, which itself would wait for ever."""

    def __init__(self, limits: Config) -> None:
        self._limits = (limits.connect_timeout, limits.read_timeout)  # type: ignore[attr-defined]  # as above
        super().__init__()

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        """Send with our connect and read timeouts."""
        return super().send(request, *arguments, **(options | {"timeout": self._limits}))


LOOK: Final[ContextVar[Callable[[requests.Response], None] | None]] = ContextVar("LOOK", default=None)
"""What looks at every answer of the registry before the library does, in this thread."""


def _look(answer: requests.Response, **_: Any) -> None:
    look = LOOK.get()
    if look:
        answer.content  # noqa: B018 - read whole: a refused answer that is left half read keeps its connection
        look(answer)


def stored_session(catalog_url: str | None) -> Credentials | None:
    """Return the session that `quilt3 login` left in this home for the catalog, or None."""
    home = quilt3.util.load_config()
    if not catalog_url or (home.get("navigator_url") or "").rstrip("/") != catalog_url.rstrip("/"):
        return None
    stored = quilt3.session._load_auth().get(home.get("registryUrl"))  # noqa: SLF001 - quilt3 has no public reader
    if not stored:
        return None
    return Credentials(
        refresh_token=stored["refresh_token"], access_token=stored["access_token"], expires_at=stored["expires_at"]
    )
