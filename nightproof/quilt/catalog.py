"""The HTTP client of a catalog: one session per thread, and one place where responses become results or errors."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from datetime import UTC
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from typing import NoReturn
from typing import TypeVar
from typing import cast

import requests
from pydantic import ValidationError

from nightproof.quilt import answers
from nightproof.quilt import exceptions as errors
from nightproof.quilt.signing import expiry
from nightproof.quilt.tokens import REFRESH_MARGIN_S
from nightproof.quilt.tokens import TokenFile
from nightproof.quilt.validation import short

if TYPE_CHECKING:
    from collections.abc import Container
    from collections.abc import Hashable
    from collections.abc import Iterator

    from nightproof.quilt.records import Credentials
    from nightproof.quilt.records import Timeouts

Shape = TypeVar("Shape")

METHODS: Final = {"quilt3": "local", "platform": "jwt"}
REMEDIES: Final = {
    "quilt3": "Run `quilt3 login` and start again, or give a refresh token of an active user.",
    "platform": "Give a valid access or refresh token of an active user.",
}
REASONS: Final = {"token_expired": "expired", "token_revoked": "revoked", "user_inactive": "inactive"}
SAID: Final = {
    "missing": "Nobody is signed in",
    "expired": "The access token has expired",
    "inactive": "The signed-in user is not active",
}
# What requests rejects before it opens a connection.
UNSENT: Final = (
    requests.exceptions.InvalidJSONError,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidHeader,
)
OK: Final = 200
BAD_REQUEST: Final = 400
UNAUTHORIZED: Final = 401
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
SERVER_ERROR: Final = 500
GRAPHQL_ANSWERS: Final = (OK, BAD_REQUEST)  # a rejected document is 400 with its errors in the body
ANY_ANSWER: Final = range(SERVER_ERROR)


class Catalog:
    """A client of one catalog for one user; thread-safe."""

    def __init__(self, backend_type: str, credentials: Credentials | None, timeouts: Timeouts) -> None:
        self.backend_type = backend_type
        self.timeouts = timeouts
        self._refresh_token = credentials.refresh_token if credentials else None
        self._access_token = credentials.access_token if credentials else None
        self._expires = credentials.expires_at if credentials and self._access_token else 0.0
        folder = credentials.token_dir if credentials else None
        self._shared = TokenFile(Path(folder), self._refresh_token) if folder and self._refresh_token else None
        self._lock = threading.Lock()
        self._local = threading.local()
        self.url = ""
        self.registry_url = ""

    @property
    def has_credentials(self) -> bool:
        """Return whether there is anything to sign in with."""
        return bool(self._refresh_token or self._access_token)

    def base(self, operation: str) -> dict[str, Any]:
        """Return the context keys that every error has."""
        return {"backend_type": self.backend_type, "operation": operation}

    def token(self, operation: str) -> str:
        """Return the access token, refreshed if it expires within 60 seconds and there is a refresh token."""
        with self._lock:
            if self._refresh_token and self._expires < time.time() + REFRESH_MARGIN_S:
                exchange = partial(self.exchange, operation)
                tokens = self._shared.current(exchange) if self._shared else exchange(self._refresh_token)
                self._refresh_token, self._access_token = tokens.refresh_token, tokens.access_token
                self._expires = tokens.expires_at
            if not self._access_token:
                self.refuse(operation, "missing")
            return self._access_token

    def exchange(self, operation: str, refresh_token: str) -> answers.Tokens:
        """Exchange a refresh token, which becomes invalid soon after.

        Processes that share the token must store the answer for the others.
        """
        url, given = f"{self.registry_url}/api/token", {"refresh_token": refresh_token}
        answer = self._send(operation, "POST", url, self.timeouts.read_s, data=given)
        self._classify(operation, answer, "")
        body = self._json(operation, answer)
        if isinstance(body, dict) and "error" in body:
            self.refuse(operation, "invalid")
        return self.fit(operation, answers.Tokens, body)

    def get_json(self, operation: str, path: str, shape: type[Shape], params: dict[str, str] | None = None) -> Shape:
        """GET a registry route as the user and return its JSON, validated."""
        token = self.token(operation)
        answer = self._send(
            operation, "GET", f"{self.registry_url}{path}", self.timeouts.read_s, params=params, headers=_bearer(token)
        )
        self._classify(operation, answer, token)
        return self.fit(operation, shape, self._json(operation, answer))

    def redirect(self, operation: str, path: str, params: dict[str, str]) -> requests.Response:
        """GET a catalog route without following its redirect."""
        token = self.token(operation)
        answer = self._send(
            operation,
            "GET",
            f"{self.url}{path}",
            self.timeouts.browse_s,
            params=params,
            headers=_bearer(token),
            allow_redirects=False,
        )
        self._classify(operation, answer, token, ANY_ANSWER)
        return answer

    def graphql(
        self,
        operation: str,
        document: str,
        variables: dict[str, Any] | None = None,
        *,
        headers: dict[str, str] | None = None,
        timeout_s: float | None = None,
        name: str | None = None,
    ) -> dict[str, Any]:
        """POST a document and return the whole body, including the document's errors."""
        token = self.token(operation)
        body: dict[str, Any] = {"query": document, "variables": variables or {}}
        answer = self._send(
            operation,
            "POST",
            f"{self.registry_url}/graphql",
            timeout_s or self.timeouts.read_s,
            json=body | ({"operationName": name} if name else {}),
            headers=_bearer(token) | (headers or {}),
        )
        return self.body_of(operation, answer, token)

    def body_of(self, operation: str, answer: requests.Response, token: str) -> dict[str, Any]:
        """Return the body of a GraphQL response, also of one to quilt3, or raise the error for its status."""
        self._classify(operation, answer, token, GRAPHQL_ANSWERS)
        found = self._json(operation, answer)
        if not isinstance(found, dict) or not found.keys() & {"data", "errors"}:
            raise self.protocol(operation, f"a {type(found).__name__} without data and errors")
        return found

    def data(
        self, operation: str, document: str, variables: dict[str, Any], shape: type[Shape], **options: Any
    ) -> Shape:
        """POST one of our documents and return its data; raise BackendError for any error in the body."""
        return self.data_of(operation, self.graphql(operation, document, variables, **options), shape)

    def data_of(self, operation: str, body: dict[str, Any], shape: type[Shape]) -> Shape:
        """Return the data of a GraphQL body, or raise BackendError (kind `graphql`) for its errors."""
        if body.get("errors"):
            listed = self.fit(operation, list[answers.GraphqlError], body["errors"])
            raise errors.BackendError(
                "The catalog answered the query with errors. Look at the context for them.",
                self.base(operation)
                | {"kind": "graphql", "original_exception": None, "errors": [_error_of(item) for item in listed]},
            )
        return self.fit(operation, shape, body.get("data"))

    def config(self, operation: str, catalog_url: str) -> answers.ConfigJson:
        """Read config.json of any catalog; raise NotFoundError for a 404."""
        answer = self._send(operation, "GET", f"{catalog_url.rstrip('/')}/config.json", self.timeouts.config_s)
        if answer.status_code == NOT_FOUND:
            raise errors.NotFoundError(
                f"There is no Quilt catalog at `{catalog_url[:150]}`. Check the address.",
                self.base(operation)
                | {"resource_type": "catalog", "identifier": catalog_url, "search_location": catalog_url},
            )
        self._classify(operation, answer, "")
        return self.fit(operation, answers.ConfigJson, self._json(operation, answer))

    def fit(self, operation: str, shape: type[Shape], found: Any) -> Shape:
        """Validate an answer against its shape; raise BackendError (kind `protocol`) if it does not fit."""
        try:
            read: Shape = answers.adapter(cast("Hashable", shape)).validate_python(found)
        except ValidationError as error:
            raise self.protocol(operation, f"{type(error).__name__}: {error}") from error
        return read

    def fit_json(self, operation: str, shape: type[Shape], text: bytes) -> Shape:
        """Validate a JSON text against its shape; raise BackendError (kind `protocol`) if it does not fit."""
        try:
            read: Shape = answers.adapter(cast("Hashable", shape)).validate_json(text)
        except ValidationError as error:
            raise self.protocol(operation, f"{type(error).__name__}: {error}") from error
        return read

    def protocol(self, operation: str, what: str) -> errors.BackendError:
        """Return the BackendError (kind `protocol`) for an answer that does not fit the schema."""
        return errors.BackendError(
            "The server's answer does not fit the schema. Compare the versions of client and server.",
            self.base(operation) | {"kind": "protocol", "original_exception": what},
        )

    def refused_here(self, operation: str, cause: Exception, writes: int = 0) -> errors.BackendError:
        """Return the BackendError (kind `client`) for a request that the client library itself rejected.

        No server is to blame for it. `writes` is the number of writing requests that were sent before.
        """
        sent = f"after {writes} requests that write" if writes else "and nothing was sent to be written"
        return errors.BackendError(
            f"The client itself refused this, {sent}: {short(str(cause).rstrip('.'), 150)}.",
            self.base(operation) | {"kind": "client", "original_exception": f"{type(cause).__name__}: {cause}"},
        )

    def refuse(self, operation: str, reason: str, token: str = "", expires_at: str | None = None) -> NoReturn:
        """Raise the AuthenticationError for a reason."""
        remedy = "Ask an admin to activate the user." if reason == "inactive" else REMEDIES[self.backend_type]
        context = self.base(operation) | {
            "auth_method": METHODS[self.backend_type],
            "reason": reason,
            "remediation": remedy,
        }
        if reason == "expired":
            # If neither server nor token names an expiry, a token rejected as expired has expired by now.
            context["expires_at"] = expires_at or expiry(token) or datetime.now(UTC).isoformat()
        raise errors.AuthenticationError(f"{SAID.get(reason, f'The token is {reason}')}. {remedy}", context)

    def _send(self, operation: str, method: str, url: str, timeout_s: float, **options: Any) -> requests.Response:
        with self.reaching(operation, url, timeout_s):
            return self._session().request(
                method, url, timeout=(min(self.timeouts.connect_s, timeout_s), timeout_s), **options
            )

    @contextmanager
    def reaching(self, operation: str, url: str, timeout_s: float) -> Iterator[None]:
        """Translate the exceptions of requests within the block, where no response came, into the contract's errors."""
        started = time.monotonic()
        try:
            yield
        except requests.Timeout as error:
            elapsed = time.monotonic() - started
            raise errors.BackendError(
                f"The catalog gave no answer within {timeout_s:g} s. Try again, or allow more time.",
                self.base(operation)
                | {
                    "kind": "timeout",
                    "timeout_s": timeout_s,
                    "elapsed_s": elapsed,
                    "original_exception": f"{type(error).__name__}: {error}",
                },
            ) from error
        except requests.JSONDecodeError as error:
            raise self.protocol(operation, f"{type(error).__name__}: {error}") from error
        except UNSENT as error:
            raise self.refused_here(operation, error) from error
        except requests.RequestException as error:
            raise errors.BackendError(
                "The catalog cannot be reached. Check its address and that it runs.",
                self.base(operation)
                | {"kind": "unreachable", "url": url, "original_exception": f"{type(error).__name__}: {error}"},
            ) from error

    def _session(self) -> requests.Session:
        """Return this thread's session: those of requests are not thread-safe."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
        return session

    def _json(self, operation: str, answer: requests.Response) -> Any:
        try:
            return answer.json()
        except ValueError as error:
            raise self.protocol(operation, f"{type(error).__name__}: {error}") from error

    def _classify(
        self, operation: str, answer: requests.Response, token: str, accepted: Container[int] = (OK,)
    ) -> None:
        """Raise the contract's error for 401, for 403 and for any status that is not accepted."""
        if answer.status_code == UNAUTHORIZED:
            refusal = _read(answer, answers.Refusal)
            reason = REASONS.get(refusal.code or "", "invalid")
            self.refuse(operation, reason, token, refusal.expires_at)
        if answer.status_code == FORBIDDEN:
            self.forbid(operation, next((error.extensions for error in _read(answer, answers.Denial).errors), None))
        if answer.status_code not in accepted:
            raise errors.BackendError(
                f"The catalog failed with HTTP {answer.status_code}. Try again, then look at its log.",
                self.base(operation)
                | {
                    "kind": "http",
                    "http_status": answer.status_code,
                    "elapsed_s": answer.elapsed.total_seconds(),
                    "original_exception": f"HTTPError: {answer.status_code}",
                },
            )

    def forbid(self, operation: str, lack: answers.Lack | None) -> NoReturn:
        """Raise the PermissionError for the right that the user lacks."""
        known = lack or answers.Lack()
        raise self.denied(operation, known.required, known.role, known.level)

    def denied(self, operation: str, required: list[str], role: str | None, level: str) -> errors.PermissionError:
        """Return the PermissionError for a right that the user's role lacks."""
        who = f"The role `{short(role)}`" if role else "The signed-in user"
        right = f"the right `{short(required[0], 120)}`" if required else "a right that this takes"
        return errors.PermissionError(
            f"{who} lacks {right}. Ask an admin for it.",
            self.base(operation) | {"required_permissions": required, "user_role": role, "access_level": level},
        )


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _read(answer: requests.Response, shape: type[Shape]) -> Shape:
    """Return the body of a rejection, or an empty one if it has another shape: the status alone suffices."""
    try:
        read: Shape = answers.adapter(cast("Hashable", shape)).validate_json(answer.content)
    except ValidationError:
        return shape()
    return read


def _error_of(item: answers.GraphqlError) -> dict[str, Any]:
    return {"name": (item.extensions or {}).get("code"), "message": item.message, "path": item.path}
