"""The HTTP side of a catalog: one session, one place where answers become results or errors."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from typing import NoReturn

import requests

from nightproof.quilt import exceptions as errors
from nightproof.quilt.signing import expiry

if TYPE_CHECKING:
    from nightproof.quilt.records import Credentials
    from nightproof.quilt.records import Timeouts

CONNECT_S: Final = 5.0
REFRESH_MARGIN_S: Final = 60
METHODS: Final = {"quilt3": "local", "platform": "jwt"}
REASONS: Final = {"token_expired": "expired", "token_revoked": "revoked", "user_inactive": "inactive"}
UNAUTHORIZED: Final = 401
FORBIDDEN: Final = 403
SERVER_ERROR: Final = 500


class Catalog:
    """Speaks to one catalog for one user; safe from several threads."""

    def __init__(self, backend_type: str, credentials: Credentials | None, timeouts: Timeouts) -> None:
        self.backend_type = backend_type
        self.timeouts = timeouts
        self._refresh_token = credentials.refresh_token if credentials else None
        self._access_token = credentials.access_token if credentials else None
        self._expires = float("inf") if self._access_token else 0.0
        self._lock = threading.Lock()
        self._local = threading.local()
        self.url = ""
        self.registry_url = ""

    @property
    def has_credentials(self) -> bool:
        """Whether there is anything to sign in with."""
        return bool(self._refresh_token or self._access_token)

    def base(self, operation: str) -> dict[str, Any]:
        """Give the context keys that every error has."""
        return {"backend_type": self.backend_type, "operation": operation}

    def token(self, operation: str) -> str:
        """Give an access token that still counts, refreshed when it is about to end."""
        with self._lock:
            if self._refresh_token and self._expires < time.time() + REFRESH_MARGIN_S:
                answer = self._send(
                    operation,
                    "POST",
                    f"{self.registry_url}/api/token",
                    self.timeouts.read_s,
                    data={"refresh_token": self._refresh_token},
                )
                self._classify(operation, answer, "")
                tokens = answer.json()
                self._refresh_token, self._access_token = tokens["refresh_token"], tokens["access_token"]
                self._expires = float(tokens["expires_at"])
            if not self._access_token:
                self.refuse(operation, "missing")
            return self._access_token

    def get_json(self, operation: str, path: str, params: dict[str, str] | None = None) -> Any:
        """GET a registry route as the user."""
        token = self.token(operation)
        answer = self._send(
            operation, "GET", f"{self.registry_url}{path}", self.timeouts.read_s, params=params, headers=_bearer(token)
        )
        self._classify(operation, answer, token)
        return answer.json()

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
        self._classify(operation, answer, token)
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
        """POST a document; give the whole body, errors of the document included."""
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
        self._classify(operation, answer, token)
        try:
            found = answer.json()
        except ValueError as error:
            raise errors.BackendError(
                "The catalog's answer is not JSON. Look at its log.",
                self.base(operation) | {"kind": "protocol", "original_exception": f"{type(error).__name__}: {error}"},
            ) from error
        if not isinstance(found, dict):
            raise errors.BackendError(
                "The catalog's answer is not a GraphQL body.",
                self.base(operation) | {"kind": "protocol", "original_exception": None},
            )
        return found

    def data(self, operation: str, document: str, variables: dict[str, Any], **options: Any) -> dict[str, Any]:
        """POST a document of ours and give its data; any error in the body is raised."""
        body = self.graphql(operation, document, variables, **options)
        listed = body.get("errors")
        data = body.get("data")
        if listed or not isinstance(data, dict):
            raise errors.BackendError(
                "The catalog answered the query with errors. Look at the context for them.",
                self.base(operation)
                | {"kind": "graphql", "original_exception": None, "errors": [_error_of(item) for item in listed or []]},
            )
        return data

    def config(self, operation: str, catalog_url: str) -> dict[str, Any]:
        """Read config.json of any catalog."""
        answer = self._send(operation, "GET", f"{catalog_url.rstrip('/')}/config.json", self.timeouts.config_s)
        if answer.status_code == 404:  # noqa: PLR2004 - not found, as HTTP has it
            raise errors.NotFoundError(
                f"There is no Quilt catalog at `{catalog_url}`. Check the address.",
                self.base(operation)
                | {"resource_type": "catalog", "identifier": catalog_url, "search_location": catalog_url},
            )
        self._classify(operation, answer, "")
        found: dict[str, Any] = answer.json()
        return found

    def refuse(self, operation: str, reason: str, token: str = "", expires_at: str | None = None) -> NoReturn:
        """Raise the AuthenticationError of a reason."""
        context = self.base(operation) | {
            "auth_method": METHODS[self.backend_type],
            "reason": reason,
            "remediation": "Sign in again: run `quilt3 login`, or give a valid refresh token.",
        }
        if reason == "expired":
            context["expires_at"] = expires_at or expiry(token)
        said = {"missing": "Nobody is signed in", "expired": "The access token has expired"}
        raise errors.AuthenticationError(
            f"{said.get(reason, f'The access token is {reason}')}. Sign in again.", context
        )

    def _send(self, operation: str, method: str, url: str, timeout_s: float, **options: Any) -> requests.Response:
        started = time.monotonic()
        try:
            return self._session().request(method, url, timeout=(min(CONNECT_S, timeout_s), timeout_s), **options)
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
        except requests.ConnectionError as error:
            raise errors.BackendError(
                "The catalog cannot be reached. Check its address and that it runs.",
                self.base(operation)
                | {"kind": "unreachable", "url": url, "original_exception": f"{type(error).__name__}: {error}"},
            ) from error

    def _session(self) -> requests.Session:
        """Give this thread's session: requests' own are not safe to share."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
        return session

    def _classify(self, operation: str, answer: requests.Response, token: str) -> None:
        """Raise what a status means; 400 is left to the caller, who may want the body."""
        body = _body(answer)
        if answer.status_code == UNAUTHORIZED:
            reason = REASONS.get(str(body.get("code")), "invalid")
            self.refuse(operation, reason, token, body.get("expires_at"))
        if answer.status_code == FORBIDDEN:
            found: dict[str, Any] = next(
                (e.get("extensions", {}) for e in body.get("errors", []) if isinstance(e, dict)), {}
            )
            raise errors.PermissionError(
                "The role of the signed-in user does not allow this. Ask an admin for the right.",
                self.base(operation)
                | {
                    "required_permissions": found.get("required", []),
                    "user_role": found.get("role"),
                    "access_level": found.get("level", "none"),
                },
            )
        if answer.status_code >= SERVER_ERROR:
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


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _body(answer: requests.Response) -> dict[str, Any]:
    try:
        found: Any = answer.json() if answer.content and answer.status_code >= 400 else {}  # noqa: PLR2004 - client errors on
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _error_of(item: dict[str, Any]) -> dict[str, Any]:
    return {"name": item.get("extensions", {}).get("code"), "message": item.get("message"), "path": item.get("path")}
