"""Users, on both backends: results are what the catalog stores, and every refusal is an error of the contract."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any

import httpx
import pytest

from nightproof import quilt

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightproof.quilt.admin_contract import AdminOps
    from nightproof.quilt.admin_records import User
    from tests.nightproof.quilt.conftest import World


def context_of(error: quilt.QuiltOpsError) -> dict[str, Any]:
    """Return what an error says beyond who says it."""
    return {key: value for key, value in error.context.items() if key != "backend_type"}


@pytest.fixture
def user(admin: AdminOps, unique: Callable[[], str]) -> User:
    """Create a user for this test."""
    name = unique()
    return admin.create_user(name, f"{name}@example.org", "user")


def test_the_seeded_users_are_listed(admin: AdminOps) -> None:
    """The seeded users are listed by name with every field of the catalog."""
    found = admin.list_users()
    assert [one.name for one in found] == sorted(one.name for one in found)
    seeded = {one.name: one for one in found if one.name.startswith("test-")}
    assert {
        (name, one.email, one.is_admin, one.is_service, one.role and one.role.name) for name, one in seeded.items()
    } == {
        ("test-admin", "admin@test.com", True, False, "admin"),
        ("test-user", "user@test.com", False, False, "user"),
        ("test-readonly", "readonly@test.com", False, False, "viewer"),
        ("test-service", "service@test.com", False, True, "service"),
    }
    assert seeded["test-user"].date_joined == "2024-01-01T00:00:00+00:00"
    assert (seeded["test-user"].is_active, seeded["test-user"].is_sso_only) == (True, False)
    assert seeded["test-user"].role == admin.get_user("test-user").role


def test_both_backends_say_the_same(admins: dict[str, AdminOps]) -> None:
    """Both backends return equal users."""
    assert admins["quilt3"].get_user("test-service") == admins["platform"].get_user("test-service")
    assert admins["quilt3"].list_roles() == admins["platform"].list_roles()


def test_a_new_user_is_active_and_no_admin(admin: AdminOps, unique: Callable[[], str]) -> None:
    """A new user is active and no admin, and creation and reading return the same."""
    name = unique()
    made = admin.create_user(name, f"{name}@example.org", "user", ["viewer", "analyst"])
    assert made == admin.get_user(name)
    assert (made.is_active, made.is_admin, made.is_service, made.email) == (True, False, False, f"{name}@example.org")
    assert made.role is not None
    assert (made.role.name, [role.name for role in made.extra_roles]) == ("user", ["analyst", "viewer"])
    assert abs((datetime.fromisoformat(made.date_joined) - datetime.now(UTC)).total_seconds()) < 60
    assert made.last_login == made.date_joined


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("", "a@b.c", "user"), "name"),
        (("a b", "a@b.c", "user"), "name"),
        (("1-digit", "a@b.c", "user"), "name"),
        (("fine", "nope", "user"), "email"),
        (("fine", "a@b", "user"), "email"),
        (("fine", "a@b.c", ""), "role"),
        (("fine", "a@b.c", "user", "viewer"), "extra_roles"),
    ],
)
def test_bad_arguments_of_a_creation_are_named(
    admin: AdminOps, backend: str, arguments: tuple[Any, ...], field: str
) -> None:
    """A bad argument is named with its value, whether we or the server refuse it."""
    with pytest.raises(quilt.ValidationError) as caught:
        admin.create_user(*arguments)
    given = dict(zip(("name", "email", "role", "extra_roles"), arguments, strict=False))
    assert caught.value.context.keys() == {"backend_type", "operation", "field_name", "field_value", "validation_rule"}
    assert caught.value.context["operation"] == "admin.create_user"
    assert caught.value.context["backend_type"] == backend
    assert (caught.value.context["field_name"], caught.value.context["field_value"]) == (field, given[field])


@pytest.mark.parametrize("field", ["name", "email"])
def test_names_and_addresses_are_unique(admin: AdminOps, user: User, unique: Callable[[], str], field: str) -> None:
    """A taken name or address is refused, and the existing user stays unchanged."""
    taken = {"name": unique(), "email": "new@example.org", "role": "viewer"} | {field: getattr(user, field)}
    with pytest.raises(quilt.ValidationError) as caught:
        admin.create_user(**taken)
    assert context_of(caught.value) == {
        "operation": "admin.create_user",
        "field_name": field,
        "field_value": taken[field],
        "validation_rule": "must be unique",
    }
    assert admin.get_user(user.name) == user


def test_an_unknown_role_is_not_found(admin: AdminOps, unique: Callable[[], str]) -> None:
    """The error names the role that does not exist, out of several."""
    name = unique()
    with pytest.raises(quilt.NotFoundError) as caught:
        admin.create_user(name, f"{name}@example.org", "user", ["viewer", "emperor"])
    assert context_of(caught.value) == {
        "operation": "admin.create_user",
        "resource_type": "role",
        "identifier": "emperor",
        "search_location": "catalog",
    }
    with pytest.raises(quilt.NotFoundError, match="king"):
        admin.create_user(name, f"{name}@example.org", "king")


MISSING: dict[str, Callable[[AdminOps], object]] = {
    "get_user": lambda admin: admin.get_user("nonexistent"),
    "delete_user": lambda admin: admin.delete_user("nonexistent"),
    "set_user_email": lambda admin: admin.set_user_email("nonexistent", "a@b.c"),
    "set_user_admin": lambda admin: admin.set_user_admin("nonexistent", admin=True),
    "set_user_active": lambda admin: admin.set_user_active("nonexistent", active=True),
    "reset_user_password": lambda admin: admin.reset_user_password("nonexistent"),
    "set_user_role": lambda admin: admin.set_user_role("nonexistent", "user"),
    "add_user_roles": lambda admin: admin.add_user_roles("nonexistent", ["user"]),
    "remove_user_roles": lambda admin: admin.remove_user_roles("nonexistent", ["user"]),
}


@pytest.mark.parametrize("method", MISSING)
def test_a_missing_user_is_not_found(admin: AdminOps, method: str) -> None:
    """Every operation on a missing user raises the same NotFoundError."""
    with pytest.raises(quilt.NotFoundError) as caught:
        MISSING[method](admin)
    assert context_of(caught.value) == {
        "operation": f"admin.{method}",
        "resource_type": "user",
        "identifier": "nonexistent",
        "search_location": "catalog",
    }


def test_an_address_is_changed(admin: AdminOps, user: User) -> None:
    """An address is changed; a bad or taken one is refused and nothing changes."""
    assert admin.set_user_email(user.name, f"new-{user.email}").email == f"new-{user.email}"
    changed = admin.get_user(user.name)
    assert changed.email == f"new-{user.email}"
    for bad in ("nope", "admin@test.com"):
        with pytest.raises(quilt.ValidationError) as caught:
            admin.set_user_email(user.name, bad)
        assert (caught.value.context["field_name"], caught.value.context["field_value"]) == ("email", bad)
    assert admin.get_user(user.name) == changed


def test_admin_rights_come_and_go(admin: AdminOps, user: User) -> None:
    """Admin rights are set and removed, except those of the last active admin."""
    assert admin.set_user_admin(user.name, admin=True).is_admin
    assert admin.get_user(user.name).is_admin
    assert not admin.set_user_admin(user.name, admin=False).is_admin
    assert not admin.get_user(user.name).is_admin
    with pytest.raises(quilt.ValidationError) as caught:
        admin.set_user_admin("test-admin", admin=False)
    assert caught.value.context["field_name"] == "admin"
    assert admin.get_user("test-admin").is_admin


def test_a_user_is_let_in_or_not(admin: AdminOps, user: User) -> None:
    """A user's active flag is set and read back."""
    assert not admin.set_user_active(user.name, active=False).is_active
    assert not admin.get_user(user.name).is_active
    assert admin.set_user_active(user.name, active=True) == admin.get_user(user.name)
    assert admin.get_user(user.name).is_active


@pytest.mark.parametrize("method", ["set_user_admin", "set_user_active"])
def test_flags_are_true_or_false(admin: AdminOps, method: str) -> None:
    """A flag must be a boolean; text is refused before any request is sent."""
    with pytest.raises(quilt.ValidationError, match="true or false"):
        getattr(admin, method)("test-user", "yes")


def test_a_password_reset_sends_one_letter(world: World, admin: AdminOps, user: User) -> None:
    """A password reset sends one message to the catalog's mailbox."""
    admin.reset_user_password(user.name)
    url = f"{world.target.facts['services']['catalog']['url']}/_nightproof/mailbox"
    headers = {"Authorization": f"Bearer {world.target.facts['control_token']}"}
    letters = httpx.get(url, params={"user": user.name}, headers=headers, timeout=10).json()
    assert [(letter["kind"], letter["user"]) for letter in letters] == [("password_reset", user.name)]


def test_a_deleted_user_is_gone(admin: AdminOps, user: User) -> None:
    """A deleted user is neither found nor listed, and cannot be deleted again."""
    admin.delete_user(user.name)
    assert user.name not in {one.name for one in admin.list_users()}
    with pytest.raises(quilt.NotFoundError):
        admin.delete_user(user.name)


def test_nobody_deletes_oneself(admin: AdminOps) -> None:
    """The signed-in user cannot delete itself."""
    with pytest.raises(quilt.ValidationError) as caught:
        admin.delete_user("test-admin")
    assert (caught.value.context["field_name"], caught.value.context["field_value"]) == ("name", "test-admin")
    assert admin.get_user("test-admin").is_active


ALL: dict[str, Callable[[AdminOps], object]] = {
    **MISSING,
    "list_users": lambda admin: admin.list_users(),
    "create_user": lambda admin: admin.create_user("not-made", "not@made.org", "user"),
    "list_roles": lambda admin: admin.list_roles(),
    "get_sso_config": lambda admin: admin.get_sso_config(),
    "set_sso_config": lambda admin: admin.set_sso_config("x"),
    "remove_sso_config": lambda admin: admin.remove_sso_config(),
    "list_api_keys": lambda admin: admin.list_api_keys(),
    "get_api_key": lambda admin: admin.get_api_key("x"),
    "revoke_api_key": lambda admin: admin.revoke_api_key("x"),
}


@pytest.mark.parametrize("method", ALL)
def test_only_admins_may(ops: quilt.QuiltOps, admin: AdminOps, method: str) -> None:
    """A user without admin rights is refused with the missing right, and nothing is created."""
    with pytest.raises(quilt.PermissionError) as caught:
        ALL[method](ops.admin)
    assert context_of(caught.value) == {
        "operation": f"admin.{method}",
        "required_permissions": ["admin"],
        "user_role": "user",
        "access_level": "read_write",
    }
    if method == "create_user":
        with pytest.raises(quilt.NotFoundError):
            admin.get_user("not-made")
