"""Single sign-on: a configuration that is stored to the byte and takes effect."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any

import pytest
import requests
import yaml

from nightproof import quilt
from nightproof.evidence import case
from nightproof.evidence import channel
from suites._support.sso import borrowed_sso

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nightproof.quilt.admin_records import SSOConfig
    from suites._support.observer import Observer
    from suites._support.settings import Settings

pytestmark = pytest.mark.xdist_group("sso")

JOURNEY = "administer"
NEEDS = ("admin", "write")
TIMEOUT_S = 10
CLOCK_S = 60
FORBIDDEN = 403
CONFIG = """\
# analysts first; comments and the order of keys are kept
version: "1.0"
mappings:
  - roles: [analyst]
    schema: {type: object, required: [team], properties: {team: {const: analysis}}}
default_role: viewer
"""


@pytest.fixture
def admin(admin_ops: quilt.QuiltOps, target: Settings) -> Iterator[quilt.AdminOps]:
    """Yield the admin operations with no SSO configuration set, under a lock that all cells share."""
    with borrowed_sso(admin_ops.admin, target) as text:
        if text is not None:
            admin_ops.admin.remove_sso_config()
        yield admin_ops.admin


def exchange(observer: Observer, target: Settings, claims: dict[str, Any]) -> tuple[int, str | None]:
    """Return HTTP status and role of a sign-in with claims."""
    registry_url = observer.config_json(target.catalog_url)["registryUrl"]
    with channel("observer"):
        answer = requests.post(f"{registry_url}/api/sso/exchange", json={"claims": claims}, timeout=TIMEOUT_S)
    return answer.status_code, answer.json().get("role")


def set_by(config: SSOConfig | None) -> tuple[str, str, str] | None:
    """Return text, time and uploader's name; leave out the uploader's last login, because it changes meanwhile."""
    return (config.text, config.timestamp, config.uploader.name) if config else None


@case(tier="high", category="admin", needs=NEEDS, journey=JOURNEY)
def test_get_sso_config(admin: quilt.AdminOps, admin_ops: quilt.QuiltOps, target: Settings) -> None:
    """The configuration is the text that another client set, with its uploader and time."""
    set_it = "mutation Put($config: String) { admin { setSsoConfig(config: $config) { __typename } } }"
    answer = admin_ops.execute_graphql_query(set_it, {"config": CONFIG})
    assert answer["data"]["admin"]["setSsoConfig"]["__typename"] == "SsoConfig"
    found = admin.get_sso_config()
    assert found is not None
    assert found.text.encode() == CONFIG.encode()
    assert yaml.safe_load(found.text)["default_role"] == "viewer"
    assert found.uploader.name == target.admin_user
    assert abs((datetime.now(UTC) - datetime.fromisoformat(found.timestamp)).total_seconds()) < CLOCK_S


@case(tier="high", category="admin", needs=NEEDS, journey=JOURNEY)
def test_get_sso_config_none(admin: quilt.AdminOps) -> None:
    """Without a configuration the result is None, also after a removal."""
    assert admin.get_sso_config() is None
    admin.set_sso_config(CONFIG)
    admin.remove_sso_config()
    assert admin.get_sso_config() is None


@case(tier="high", category="admin", needs=(*NEEDS, "mint_jwt"), journey=JOURNEY)
def test_set_sso_config(admin: quilt.AdminOps, observer: Observer, target: Settings) -> None:
    """A configuration takes effect once set: matching claims get the mapped role, other claims the default role."""
    made = admin.set_sso_config(CONFIG)
    assert made.text == CONFIG
    assert set_by(admin.get_sso_config()) == set_by(made)
    assert exchange(observer, target, {"team": "analysis"}) == (200, "analyst")
    assert exchange(observer, target, {"team": "sales"}) == (200, "viewer")


@case(tier="high", category="admin", needs=NEEDS, journey=JOURNEY)
def test_set_invalid_sso_config(admin: quilt.AdminOps) -> None:
    """An invalid configuration is rejected, and the present one stays."""
    before = admin.set_sso_config(CONFIG)
    for bad in ("invalid: yaml: syntax:", "- a\n- list\n", CONFIG.replace("viewer", "emperor")):
        with pytest.raises(quilt.QuiltOpsError) as caught:
            admin.set_sso_config(bad)
        assert type(caught.value) is quilt.ValidationError
        assert (caught.value.context["field_name"], caught.value.context["field_value"]) == ("config", bad)
    assert set_by(admin.get_sso_config()) == set_by(before)


@case(tier="high", category="admin", needs=(*NEEDS, "mint_jwt"), journey=JOURNEY)
def test_remove_sso_config(admin: quilt.AdminOps, observer: Observer, target: Settings) -> None:
    """A removed configuration maps no claims, and a second removal is not an error."""
    admin.set_sso_config(CONFIG)
    assert exchange(observer, target, {"team": "analysis"}) == (200, "analyst")
    admin.remove_sso_config()
    assert admin.get_sso_config() is None
    assert exchange(observer, target, {"team": "analysis"})[0] == FORBIDDEN
    admin.remove_sso_config()
    assert admin.get_sso_config() is None
