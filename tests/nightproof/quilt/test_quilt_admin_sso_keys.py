"""Single sign-on and API keys, on both backends."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import pytest

from nightproof import quilt

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    from nightproof.quilt.admin_contract import AdminOps
    from tests.nightproof.quilt.conftest import World

CONFIG: Final = """\
# kept byte for byte, order of keys included
version: "1.0"
mappings:
  - {roles: [analyst], schema: {type: object, required: [team]}}
default_role: viewer
"""


@pytest.fixture
def sso(admin: AdminOps) -> Iterator[AdminOps]:
    """Yield the admin's operations with no configuration set, before and after."""
    admin.remove_sso_config()
    yield admin
    admin.remove_sso_config()


@pytest.mark.xdist_group("sso")
def test_a_configuration_is_kept_as_given(sso: AdminOps, admins: dict[str, AdminOps]) -> None:
    """A configuration is kept byte for byte, with its author and time, and both backends read it."""
    assert sso.get_sso_config() is None
    made = sso.set_sso_config(CONFIG)
    read = [admin.get_sso_config() for admin in admins.values()]
    assert [(one.text, one.timestamp) for one in read if one] == [(CONFIG, made.timestamp)] * 2
    assert [one.uploader and one.uploader.name for one in (made, *filter(None, read))] == ["test-admin"] * 3
    assert abs((datetime.fromisoformat(made.timestamp) - datetime.now(UTC)).total_seconds()) < 60


@pytest.mark.xdist_group("sso")
@pytest.mark.parametrize(
    "bad", ["invalid: yaml: syntax:", "- a\n- list\n", CONFIG.replace("viewer", "emperor"), "default_role: viewer", 5]
)
def test_a_bad_configuration_changes_nothing(sso: AdminOps, bad: Any) -> None:
    """A bad configuration, an unknown role included, is refused by the server and changes nothing."""
    before = sso.set_sso_config(CONFIG)
    with pytest.raises(quilt.ValidationError) as caught:
        sso.set_sso_config(bad)
    assert (caught.value.context["field_name"], caught.value.context["field_value"]) == ("config", bad)
    assert sso.get_sso_config() == before


@pytest.mark.xdist_group("sso")
def test_a_configuration_is_removed_twice(sso: AdminOps) -> None:
    """Removing a configuration a second time is no error."""
    sso.set_sso_config(CONFIG)
    sso.remove_sso_config()
    assert sso.get_sso_config() is None
    sso.remove_sso_config()


def test_an_api_key_signs_in_until_it_is_revoked(
    world: World, governor: quilt.QuiltOps, admin: AdminOps, backend: str, unique: Callable[[], str]
) -> None:
    """A key's secret is an access token until it is revoked; the list omits the secret."""
    made = governor.create_api_key(unique(), expires_in_days=7)
    assert made.secret.startswith("qk_")
    assert made.secret not in repr(made)
    ours = made.key
    assert (ours.user_email, ours.status, ours.last_used_at) == ("admin@test.com", "ACTIVE", None)
    life = datetime.fromisoformat(ours.expires_at) - datetime.fromisoformat(ours.created_at)
    assert abs(life - timedelta(days=7)) < timedelta(minutes=1)
    assert admin.get_api_key(ours.id) == ours
    assert ours in admin.list_api_keys(email="admin@test.com", name=ours.name, status="ACTIVE")
    assert admin.list_api_keys(name=ours.name, status="EXPIRED") == []
    bearer = world.make(backend, credentials=quilt.Credentials(access_token=made.secret))
    assert bearer.get_auth_status().user_name == "test-admin"
    assert admin.get_api_key(ours.id).last_used_at is not None
    admin.revoke_api_key(ours.id)
    with pytest.raises(quilt.AuthenticationError):
        bearer.get_auth_status()


@pytest.mark.parametrize("method", ["get_api_key", "revoke_api_key"])
def test_a_missing_key_is_not_found(admin: AdminOps, backend: str, method: str) -> None:
    """A missing key is not found, with its id."""
    with pytest.raises(quilt.NotFoundError) as caught:
        getattr(admin, method)("nonexistent")
    assert caught.value.context == {
        "backend_type": backend,
        "operation": f"admin.{method}",
        "resource_type": "api_key",
        "identifier": "nonexistent",
        "search_location": "catalog",
    }


@pytest.mark.parametrize(
    ("arguments", "field"),
    [(("",), "name"), (("x" * 101,), "name"), (("a", 0), "expires_in_days"), (("a", True), "expires_in_days")],
)
def test_bad_arguments_of_a_key_are_named(ops: quilt.QuiltOps, arguments: tuple[Any, ...], field: str) -> None:
    """A bad argument of a key is named, whether we or the server refuse it."""
    with pytest.raises(quilt.ValidationError) as caught:
        ops.create_api_key(*arguments)
    assert caught.value.context["field_name"] == field


@pytest.mark.parametrize("given", [{"status": "LOST"}, {"email": ""}, {"name": 5}])
def test_bad_filters_are_named(admin: AdminOps, given: dict[str, Any]) -> None:
    """A bad filter is named before any request is sent."""
    with pytest.raises(quilt.ValidationError) as caught:
        admin.list_api_keys(**given)
    assert {caught.value.context["field_name"]: caught.value.context["field_value"]} == given
