"""Who one is, how one signs in, and what a bad token leads to."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any
from urllib.parse import urlsplit

import requests

from nightproof.evidence import case
from suites.quilt_ops.tokens import altered
from suites.quilt_ops.tokens import claims_of
from suites.quilt_ops.tokens import sign
from suites.quilt_ops.tokens import unsigned

if TYPE_CHECKING:
    from pathlib import Path

    from nightproof.quilt import QuiltOps
    from suites.quilt_ops.control import CallLog
    from suites.quilt_ops.isolated import Isolated
    from suites.quilt_ops.observer import Observer
    from suites.quilt_ops.settings import Settings

TIMEOUT_S = 10
JOURNEY = "secure-access"
LOCAL_ONLY = {"platform": "local-session"}
JWT_ONLY = {"quilt3": "jwt-construction"}


@case(tier="critical", category="authentication", needs=("call_log",), journey=JOURNEY, unsupported=LOCAL_ONLY)
def test_local_session_is_recognised(
    isolated: Isolated, target: Settings, observer: Observer, call_log: CallLog, tmp_path: Path
) -> None:
    """A session that quilt3 itself stored is found, and the server says whose it is."""
    token = target.refresh_token(target.user)
    status = isolated.run("status", tmp_path, refresh_token=token)
    assert status == {
        "is_authenticated": True,
        "user_name": target.user,
        "registry_url": observer.config_json(target.catalog_url)["registryUrl"],
        "logged_in_url": target.catalog_url,
        "catalog_name": None,
        "region": target.region,
        "tabulator_data_catalog": status["tabulator_data_catalog"],
    }
    assert [call.user for call in call_log.calls("catalog") if call.operation == "AuthStatus"] == [target.user]


@case(tier="critical", category="authentication", needs=("call_log",), journey=JOURNEY, unsupported=JWT_ONLY)
def test_jwt_session_is_recognised(
    quilt_ops: QuiltOps, target: Settings, observer: Observer, call_log: CallLog
) -> None:
    """A token alone identifies its user, and the catalog's configuration completes the answer."""
    status = quilt_ops.get_auth_status()
    config = observer.config_json(target.catalog_url)
    assert status.is_authenticated is True
    assert status.user_name == target.user
    assert status.registry_url == config["registryUrl"]
    assert status.logged_in_url == target.catalog_url
    assert status.catalog_name == urlsplit(target.catalog_url).hostname
    assert status.region == target.region
    stack = config["analyticsBucket"].removesuffix("-analyticsbucket")
    assert status.tabulator_data_catalog == f"quilt-{stack}-tabulator"
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
    """Without a stored session the construction is refused before anything is sent."""
    error = isolated.run("missing", tmp_path)
    _check_missing(error, "quilt3", "local", "login")
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
    """Without a token the construction is refused before anything is sent."""
    error = isolated.run("missing", tmp_path)
    _check_missing(error, "platform", "jwt", "token")
    assert call_log.calls() == []


def _check_missing(error: dict[str, Any], backend: str, method: str, word: str) -> None:
    assert error["class"] == "AuthenticationError"
    remediation = error["context"]["remediation"]
    assert word in remediation.lower()
    assert error["context"] == {
        "backend_type": backend,
        "operation": error["context"]["operation"],
        "auth_method": method,
        "reason": "missing",
        "remediation": remediation,
    }


@case(tier="critical", category="authentication", needs=("mint_jwt", "call_log"), journey=JOURNEY)
def test_expired_token_is_refused(
    isolated: Isolated, target: Settings, call_log: CallLog, backend: str, tmp_path: Path
) -> None:
    """An expired token is refused as expired; one with a wrong signature or none as invalid."""
    secret = target.jwt_secret()
    over, fresh = claims_of(target.user, lives_s=-60), claims_of(target.user, lives_s=3600)

    def refusal_of(token: str, home: str) -> dict[str, Any]:
        return isolated.run("stale", tmp_path / home, access_token=token)

    error = refusal_of(sign(over, secret), "expired")
    assert error["class"] == "AuthenticationError"
    assert error["context"] == {
        "backend_type": backend,
        "operation": "list_buckets",
        "auth_method": "local" if backend == "quilt3" else "jwt",
        "reason": "expired",
        "expires_at": datetime.fromtimestamp(over["exp"], UTC).isoformat(),
        "remediation": error["context"]["remediation"],
    }
    assert "expired" in error["message"]
    assert 401 in [call.status for call in call_log.calls("catalog")]
    for home, token in {"forged": altered(sign(fresh, secret)), "unsigned": unsigned(fresh)}.items():
        error = refusal_of(token, home)
        assert error["class"] == "AuthenticationError"
        assert error["context"]["reason"] == "invalid"
        assert "expires_at" not in error["context"]


@case(tier="high", category="authentication", journey=JOURNEY)
def test_graphql_headers_work_directly(quilt_ops: QuiltOps, target: Settings) -> None:
    """The headers given out open the endpoint given out, and an altered token does not."""
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
