"""Administration of users."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any

import pytest

from nightproof import quilt
from nightproof.evidence import case
from suites._support.exclusive import alone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nightproof.quilt.admin_records import User
    from suites._support.control import Control
    from suites._support.people import People
    from suites._support.seeds import Seeds
    from suites._support.settings import Settings

JOURNEY = "administer"
NEEDS = ("admin", "write")
CLOCK_S = 60


def facts_of(user: User) -> dict[str, Any]:
    """Return the facts of a user that the seed manifest holds."""
    role = user.role.name if user.role else None
    flags = {"is_admin": user.is_admin, "is_service": user.is_service}
    return {"name": user.name, "email": user.email, "role": role} | flags


def missing(error: quilt.QuiltOpsError, backend: str, method: str, name: str) -> bool:
    """Return whether an error is the one for a missing user."""
    expected = {
        "backend_type": backend,
        "operation": f"admin.{method}",
        "resource_type": "user",
        "identifier": name,
        "search_location": "catalog",
    }
    return type(error) is quilt.NotFoundError and error.context == expected


@case(tier="high", category="admin", needs=("admin",), journey=JOURNEY)
def test_list_users(admin_ops: quilt.QuiltOps, seeds: Seeds) -> None:
    """The seeded users are listed with every fact, sorted by name."""
    listed = admin_ops.admin.list_users()
    assert [user.name for user in listed] == sorted(user.name for user in listed)
    expected = {user["name"]: user for user in seeds.manifest["users"]}
    found = [user for user in listed if user.name in expected]
    assert {user.name: facts_of(user) for user in found} == expected
    assert [user.name for user in found if user.is_admin] == ["test-admin"]
    for user in found:
        assert (user.is_active, user.is_sso_only, user.extra_roles) == (True, False, ())
        assert datetime.fromisoformat(user.date_joined).tzinfo == UTC
        assert datetime.fromisoformat(user.last_login) >= datetime.fromisoformat(user.date_joined)


@case(tier="high", category="admin", needs=("admin",), journey=JOURNEY)
def test_get_user(admin_ops: quilt.QuiltOps, seeds: Seeds, target: Settings, backend: str) -> None:
    """An existing user is returned with every fact; a missing user is not found."""
    expected = next(user for user in seeds.manifest["users"] if user["name"] == target.user)
    assert facts_of(admin_ops.admin.get_user(target.user)) == expected
    with pytest.raises(quilt.QuiltOpsError) as caught:
        admin_ops.admin.get_user("nonexistent")
    assert missing(caught.value, backend, "get_user", "nonexistent")


@case(tier="critical", category="admin", needs=(*NEEDS, "mint_jwt"), journey=JOURNEY)
def test_create_user(admin_ops: quilt.QuiltOps, people: People) -> None:
    """A new user is active, is not an admin, has the requested role and can sign in."""
    name = people.create("create").name
    user = admin_ops.admin.get_user(name)
    assert (user.is_active, user.is_admin, user.is_service) == (True, False, False)
    assert user.role is not None
    assert (user.role.name, user.extra_roles, user.email) == ("user", (), f"{name}@example.org")
    assert abs((datetime.now(UTC) - datetime.fromisoformat(user.date_joined)).total_seconds()) < CLOCK_S
    assert user.last_login == user.date_joined
    assert people.sign_in(name).get_auth_status().user_name == name


@case(tier="high", category="admin", needs=NEEDS, journey=JOURNEY)
def test_create_duplicate_user(admin_ops: quilt.QuiltOps, people: People) -> None:
    """A name or address in use is rejected, and the user who has it stays unchanged."""
    first = people.create("twice")
    before = admin_ops.admin.get_user(first.name)
    other = people.name("other")
    taken: dict[str, dict[str, Any]] = {
        "name": {"name": first.name, "email": f"{other}@example.org", "role": "viewer"},
        "email": {"name": other, "email": first.email, "role": "viewer"},
    }
    for field, given in taken.items():
        with pytest.raises(quilt.QuiltOpsError) as caught:
            admin_ops.admin.create_user(**given)
        assert type(caught.value) is quilt.ValidationError
        assert (caught.value.context["field_name"], caught.value.context["field_value"]) == (field, given[field])
        assert caught.value.context["validation_rule"] == "must be unique"
    assert admin_ops.admin.get_user(first.name) == before


@case(tier="normal", category="admin", needs=NEEDS, journey=JOURNEY)
def test_set_email(admin_ops: quilt.QuiltOps, people: People) -> None:
    """A valid new address is stored; an invalid address is rejected and changes nothing."""
    name = people.create("email").name
    address = f"new-{name}@example.org"
    assert admin_ops.admin.set_user_email(name, address).email == address
    assert admin_ops.admin.get_user(name).email == address
    with pytest.raises(quilt.QuiltOpsError) as caught:
        admin_ops.admin.set_user_email(name, "nope")
    assert type(caught.value) is quilt.ValidationError
    assert (caught.value.context["field_name"], caught.value.context["field_value"]) == ("email", "nope")
    assert admin_ops.admin.get_user(name).email == address


@pytest.fixture
def admins(target: Settings) -> Iterator[None]:
    """Hold the lock of tests that grant or revoke admin rights: the rule on the last admin depends on all users."""
    with alone(target.placement, "admins"):
        yield


@pytest.mark.usefixtures("admins")
@case(tier="critical", category="admin", needs=(*NEEDS, "mint_jwt"), journey=JOURNEY)
def test_grant_admin(admin_ops: quilt.QuiltOps, people: People) -> None:
    """An operation that was rejected before is allowed once the user is an admin."""
    name = people.create("grant").name
    theirs = people.sign_in(name).admin
    with pytest.raises(quilt.QuiltOpsError) as caught:
        theirs.list_users()
    assert type(caught.value) is quilt.PermissionError
    admin_ops.admin.set_user_admin(name, admin=True)
    assert admin_ops.admin.get_user(name).is_admin is True
    assert name in {user.name for user in theirs.list_users()}


@pytest.mark.usefixtures("admins")
@case(tier="critical", category="admin", needs=(*NEEDS, "mint_jwt", "exact_inventory"), journey=JOURNEY)
def test_revoke_admin(admin_ops: quilt.QuiltOps, people: People, target: Settings) -> None:
    """Admin rights end at once when revoked, and those of the last admin cannot be revoked."""
    name = people.create("revoke").name
    admin_ops.admin.set_user_admin(name, admin=True)
    theirs = people.sign_in(name).admin
    assert name in {user.name for user in theirs.list_users()}
    admin_ops.admin.set_user_admin(name, admin=False)
    with pytest.raises(quilt.QuiltOpsError) as caught:
        theirs.list_users()
    assert type(caught.value) is quilt.PermissionError
    assert caught.value.context["required_permissions"] == ["admin"]
    assert admin_ops.admin.get_user(name).is_admin is False
    assert [user.name for user in admin_ops.admin.list_users() if user.is_admin] == [target.admin_user]
    with pytest.raises(quilt.QuiltOpsError) as refused:
        admin_ops.admin.set_user_admin(target.admin_user, admin=False)
    assert type(refused.value) is quilt.ValidationError
    assert admin_ops.admin.get_user(target.admin_user).is_admin is True


@case(tier="critical", category="admin", needs=(*NEEDS, "mint_jwt"), journey=JOURNEY)
def test_deactivate_user(admin_ops: quilt.QuiltOps, people: People) -> None:
    """A deactivated user is rejected at once: with its present token, with new ones, and for AWS credentials."""
    name = people.create("deactivate").name
    theirs = people.sign_in(name)
    assert theirs.get_auth_status().user_name == name
    admin_ops.admin.set_user_active(name, active=False)
    assert admin_ops.admin.get_user(name).is_active is False
    for act in (
        theirs.get_auth_status,
        lambda: people.sign_in(name).execute_graphql_query("{ bucketConfigs { name } }"),
        lambda: people.sign_in(name).get_boto3_client("s3"),
    ):
        with pytest.raises(quilt.QuiltOpsError) as caught:
            act()
        assert type(caught.value) is quilt.AuthenticationError
        assert caught.value.context["reason"] == "inactive"


@case(tier="high", category="admin", needs=(*NEEDS, "mint_jwt"), journey=JOURNEY)
def test_reactivate_user(admin_ops: quilt.QuiltOps, people: People) -> None:
    """A reactivated user can sign in again."""
    name = people.create("reactivate").name
    admin_ops.admin.set_user_active(name, active=False)
    with pytest.raises(quilt.AuthenticationError):
        people.sign_in(name).get_auth_status()
    admin_ops.admin.set_user_active(name, active=True)
    assert admin_ops.admin.get_user(name).is_active is True
    assert people.sign_in(name).get_auth_status().user_name == name


@case(tier="normal", category="admin", needs=(*NEEDS, "mailbox"), journey=JOURNEY)
def test_reset_password(admin_ops: quilt.QuiltOps, people: People, control: Control, backend: str) -> None:
    """A password reset sends exactly one message, and a missing user is not found."""
    name = people.create("reset").name
    admin_ops.admin.reset_user_password(name)
    letters = control.request("GET", "catalog", "mailbox", params={"user": name})
    assert [(letter["kind"], letter["user"]) for letter in letters] == [("password_reset", name)]
    with pytest.raises(quilt.QuiltOpsError) as caught:
        admin_ops.admin.reset_user_password("nonexistent")
    assert missing(caught.value, backend, "reset_user_password", "nonexistent")


@case(tier="critical", category="admin", needs=(*NEEDS, "mint_jwt"), journey=JOURNEY)
def test_delete_user(admin_ops: quilt.QuiltOps, people: People, backend: str) -> None:
    """A deleted user is neither found nor listed, and its token is rejected."""
    name = people.create("delete").name
    theirs = people.sign_in(name)
    assert theirs.get_auth_status().user_name == name
    admin_ops.admin.delete_user(name)
    with pytest.raises(quilt.QuiltOpsError) as caught:
        admin_ops.admin.get_user(name)
    assert missing(caught.value, backend, "get_user", name)
    assert name not in {user.name for user in admin_ops.admin.list_users()}
    with pytest.raises(quilt.QuiltOpsError) as refused:
        theirs.get_auth_status()
    assert type(refused.value) is quilt.AuthenticationError
    assert refused.value.context["reason"] == "invalid"


@case(tier="high", category="admin", needs=("admin",), journey=JOURNEY)
def test_delete_missing_user(admin_ops: quilt.QuiltOps, seeds: Seeds, backend: str) -> None:
    """Deleting a missing user fails and leaves all other users unchanged."""
    names = {user["name"] for user in seeds.manifest["users"]}
    before = [user for user in admin_ops.admin.list_users() if user.name in names]
    with pytest.raises(quilt.QuiltOpsError) as caught:
        admin_ops.admin.delete_user("nonexistent")
    assert missing(caught.value, backend, "delete_user", "nonexistent")
    after = [user for user in admin_ops.admin.list_users() if user.name in names]
    assert [facts_of(user) for user in after] == [facts_of(user) for user in before]
    assert names == {user.name for user in after}
