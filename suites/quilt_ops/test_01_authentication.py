"""Authentication: identity, ways to sign in, and errors of bad tokens."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any
from urllib.parse import urlsplit

import requests

from nightproof.evidence import case
from suites._support.tokens import altered
from suites._support.tokens import claims_of
from suites._support.tokens import sign
from suites._support.tokens import unsigned

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nightproof.quilt import QuiltOps
    from suites._support.control import CallLog
    from suites._support.isolated import Isolated
    from suites._support.observer import Observer
    from suites._support.settings import Settings

TIMEOUT_S = 10
JOURNEY = "secure-access"
LOCAL_ONLY = {"platform": "local-session"}
JWT_ONLY = {"quilt3": "jwt-construction"}


def data_catalog_of(config: dict[str, Any]) -> str:
    """Return the Tabulator data catalog that belongs to a catalog configuration."""
    return f"quilt-{config['analyticsBucket'].removesuffix('-analyticsbucket')}-tabulator"


@case(tier="critical", category="authentication", needs=("call_log",), journey=JOURNEY, unsupported=LOCAL_ONLY)
def test_local_session_is_recognised(
    isolated: Isolated,
    target: Settings,
    observer: Observer,
    own_refresh_token: Callable[[str], str],
    call_log: CallLog,
    tmp_path: Path,
) -> None:
    """A session stored by quilt3 itself is found, and the server confirms its user."""
    token = own_refresh_token(target.user)
    config = observer.config_json(target.catalog_url)
    status = isolated.run("status", tmp_path, refresh_token=token)
    assert status == {
        "is_authenticated": True,
        "user_name": target.user,
        "registry_url": config["registryUrl"],
        "logged_in_url": target.catalog_url,
        "catalog_name": None,
        "region": target.region,
        "tabulator_data_catalog": data_catalog_of(config),
    }
    assert [call.user for call in call_log.calls("catalog") if call.operation == "AuthStatus"] == [target.user]


@case(tier="critical", category="authentication", needs=("call_log",), journey=JOURNEY, unsupported=JWT_ONLY)
def test_jwt_session_is_recognised(
    quilt_ops: QuiltOps, target: Settings, observer: Observer, call_log: CallLog
) -> None:
    """A token alone identifies its user, and the catalog's configuration supplies the other fields of the status."""
    status = quilt_ops.get_auth_status()
    config = observer.config_json(target.catalog_url)
    assert status.is_authenticated is True
    assert status.user_name == target.user
    assert status.registry_url == config["registryUrl"]
    assert status.logged_in_url == target.catalog_url
    assert status.catalog_name == urlsplit(target.catalog_url).hostname
    assert status.region == target.region
    assert status.tabulator_data_catalog == data_catalog_of(config)
    assert [call.user for call in call_log.calls("catalog") if call.operation == "AuthStatus"] == [target.user]


@case(
    tier="critical",
    category="authentication",
    needs=("call_log",),
    wire="none",
    wire_reason="Without a session nothing may be sent to anybody.",
    journey=JOURNEY,
    unsupported=LOCAL_ONLY,
)
def test_missing_local_session(isolated: Isolated, call_log: CallLog, tmp_path: Path) -> None:
    """Without a stored session the construction of a client is rejected before any request is sent."""
    error = isolated.run("missing", tmp_path)
    _check_missing(error, "quilt3", "local", "`quilt3 login`")
    assert call_log.calls() == []


@case(
    tier="critical",
    category="authentication",
    needs=("call_log",),
    wire="none",
    wire_reason="Without a token nothing may be sent to anybody.",
    journey=JOURNEY,
    unsupported=JWT_ONLY,
)
def test_missing_jwt(isolated: Isolated, call_log: CallLog, tmp_path: Path) -> None:
    """Without a token the construction of a client is rejected before any request is sent."""
    error = isolated.run("missing", tmp_path)
    _check_missing(error, "platform", "jwt", "access or refresh token")
    assert call_log.calls() == []


def _check_missing(error: dict[str, Any], backend: str, method: str, word: str) -> None:
    assert error["class"] == "AuthenticationError"
    assert error["message"].startswith("Nobody is signed in.")
    remediation = error["context"]["remediation"]
    assert word in remediation
    assert error["context"] == {
        "backend_type": backend,
        "operation": "create_quilt_ops",
        "auth_method": method,
        "reason": "missing",
        "remediation": remediation,
    }


@case(tier="critical", category="authentication", needs=("mint_jwt", "call_log"), journey=JOURNEY)
def test_expired_token_is_refused(
    isolated: Isolated, target: Settings, call_log: CallLog, backend: str, tmp_path: Path
) -> None:
    """An expired token is rejected as expired; a token with a wrong signature or without one is rejected as invalid."""
    secret = target.jwt_secret()
    over, fresh = claims_of(target.user, lives_s=-60), claims_of(target.user, lives_s=3600)

    def refusal_of(token: str, home: str) -> dict[str, Any]:
        return isolated.run("stale", tmp_path / home, access_token=token)

    def context_of(error: dict[str, Any], **more: str) -> dict[str, str]:
        assert error["class"] == "AuthenticationError"
        assert "token" in error["context"]["remediation"]
        method = "local" if backend == "quilt3" else "jwt"
        known = {"backend_type": backend, "operation": "list_buckets", "auth_method": method}
        return known | {"remediation": error["context"]["remediation"]} | more

    error = refusal_of(sign(over, secret), "expired")
    end = datetime.fromtimestamp(over["exp"], UTC).isoformat()
    assert error["context"] == context_of(error, reason="expired", expires_at=end)
    assert "expired" in error["message"]
    assert [call.status for call in call_log.calls("catalog")] == [200, 401]  # config.json, then the operation
    for home, token in {"forged": altered(sign(fresh, secret)), "unsigned": unsigned(fresh)}.items():
        error = refusal_of(token, home)
        assert error["context"] == context_of(error, reason="invalid")
        assert "expired" not in error["message"]


@case(tier="high", category="authentication", journey=JOURNEY)
def test_graphql_headers_work_directly(quilt_ops: QuiltOps, target: Settings) -> None:
    """The returned headers authenticate at the returned endpoint, and an altered token is rejected with 401."""
    endpoint, headers = quilt_ops.get_graphql_endpoint(), quilt_ops.get_graphql_auth_headers()
    assert set(headers) == {"Authorization"}
    assert headers["Authorization"].startswith("Bearer ")
    body = {"query": "{ me { name } }"}
    answer = requests.post(endpoint, json=body, headers=headers, timeout=TIMEOUT_S)
    assert answer.status_code == 200
    assert answer.json() == {"data": {"me": {"name": target.user}}}
    forged = {"Authorization": altered(headers["Authorization"])}
    refused = requests.post(endpoint, json=body, headers=forged, timeout=TIMEOUT_S)
    assert refused.status_code == 401
    assert refused.json()["code"] == "token_invalid"
