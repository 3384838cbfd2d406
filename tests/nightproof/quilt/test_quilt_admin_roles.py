"""Roles of users, on both backends: one primary role and any number of extra ones."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import pytest

from nightproof import quilt

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightproof.quilt.admin_contract import AdminOps
    from nightproof.quilt.admin_records import User

NAMES = ["admin", "analyst", "editor", "power-user", "service", "user", "viewer"]


def roles_of(user: User) -> tuple[str | None, list[str]]:
    """Return the names of a user's primary and extra roles."""
    return user.role.name if user.role else None, [role.name for role in user.extra_roles]


@pytest.fixture
def name(admin: AdminOps, unique: Callable[[], str]) -> str:
    """Create a user with the role `user`; return its name."""
    name = unique()
    admin.create_user(name, f"{name}@example.org", "user")
    return name


def test_roles_are_listed(admin: AdminOps) -> None:
    """Roles are listed by name, with stable ids and their kind."""
    found = [role for role in admin.list_roles() if role.name in NAMES]
    assert [role.name for role in found] == NAMES
    assert {role.name for role in found if role.type == "unmanaged"} == {"service"}
    assert len({role.id for role in found}) == len({role.arn for role in found}) == len(NAMES)
    assert all(role.id and role.arn for role in found)
    assert [role for role in admin.list_roles() if role.name in NAMES] == found


def test_roles_are_replaced_or_added_to(admin: AdminOps, name: str) -> None:
    """Without `append` the extra roles are exactly those given, and the old primary one is dropped."""
    assert roles_of(admin.set_user_role(name, "power-user", ["viewer"])) == ("power-user", ["viewer"])
    assert roles_of(admin.get_user(name)) == ("power-user", ["viewer"])
    appended = admin.set_user_role(name, "analyst", ["editor"], append=True)
    assert roles_of(appended) == roles_of(admin.get_user(name)) == ("analyst", ["editor", "viewer"])
    assert roles_of(admin.set_user_role(name, "viewer", append=True)) == ("viewer", ["editor"])
    assert roles_of(admin.set_user_role(name, "user")) == ("user", [])


def test_extra_roles_come_and_go(admin: AdminOps, name: str) -> None:
    """Adding an extra role twice changes nothing."""
    for _ in range(2):
        assert roles_of(admin.add_user_roles(name, ["viewer", "analyst"])) == ("user", ["analyst", "viewer"])
    assert roles_of(admin.remove_user_roles(name, ["analyst"])) == ("user", ["viewer"])
    assert roles_of(admin.get_user(name)) == ("user", ["viewer"])


def test_the_primary_role_goes_for_a_fallback_only(admin: AdminOps, name: str) -> None:
    """The primary role is removed only with a fallback; without one nothing changes."""
    with pytest.raises(quilt.ValidationError) as caught:
        admin.remove_user_roles(name, ["user"])
    assert caught.value.context["field_name"] == "fallback"
    assert roles_of(admin.get_user(name)) == ("user", [])
    assert roles_of(admin.remove_user_roles(name, ["user"], fallback="viewer")) == ("viewer", [])


def test_a_role_that_the_user_lacks_is_not_removed(admin: AdminOps, name: str) -> None:
    """Removing a role that the user lacks is refused; a role that does not exist is not found."""
    with pytest.raises(quilt.ValidationError) as caught:
        admin.remove_user_roles(name, ["analyst"])
    assert (caught.value.context["field_name"], caught.value.context["field_value"]) == ("roles", ["analyst"])
    with pytest.raises(quilt.NotFoundError) as missing:
        admin.remove_user_roles(name, ["analyst", "emperor"])
    assert (missing.value.context["resource_type"], missing.value.context["identifier"]) == ("role", "emperor")


CHANGES: dict[str, Callable[[AdminOps, str], object]] = {
    "set_user_role": lambda admin, name: admin.set_user_role(name, "emperor"),
    "set_user_role extra": lambda admin, name: admin.set_user_role(name, "viewer", ["analyst", "emperor"]),
    "add_user_roles": lambda admin, name: admin.add_user_roles(name, ["viewer", "emperor"]),
    "remove_user_roles": lambda admin, name: admin.remove_user_roles(name, ["user"], "emperor"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_unknown_role_is_not_found(admin: AdminOps, backend: str, name: str, change: str) -> None:
    """An unknown role is not found, and nothing changes."""
    with pytest.raises(quilt.NotFoundError) as caught:
        CHANGES[change](admin, name)
    assert caught.value.context == {
        "backend_type": backend,
        "operation": f"admin.{change.split(maxsplit=1)[0]}",
        "resource_type": "role",
        "identifier": "emperor",
        "search_location": "catalog",
    }
    assert roles_of(admin.get_user(name)) == ("user", [])


@pytest.mark.parametrize("roles", [[], None, "viewer", [1], [""]])
def test_roles_are_a_list_of_names(admin: AdminOps, name: str, roles: Any) -> None:
    """Adding and removing roles need a list with at least one name."""
    for act in (admin.add_user_roles, admin.remove_user_roles):
        with pytest.raises(quilt.ValidationError) as caught:
            act(name, roles)
        assert (caught.value.context["field_name"], caught.value.context["field_value"]) == ("roles", roles)
