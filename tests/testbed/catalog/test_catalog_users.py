from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any

import pytest
from quilt3.admin.exceptions import Quilt3AdminError
from quilt3.admin.exceptions import UserNotFoundError

from tests.testbed.catalog.calling import token_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    from quilt3.admin.types import User

    from tests.testbed.catalog.calling import Calling

NUMBERS = itertools.count()
SWITCH = "mutation S($r: String!) { switchRole(roleName: $r) { __typename ... on Me { role { name } roles { name } }"
SWITCH += " ... on InvalidInput { errors { path name } } } }"
MINE = "{ me { isAdmin role { name } roles { name } } }"


@pytest.fixture
def users(admin: Any) -> Any:
    """Return quilt3's admin client for users, signed in as an admin."""
    return admin.users


@pytest.fixture
def named(users: Any) -> Iterator[Callable[..., User]]:
    """Yield a function that creates a user. All are deleted after the test."""
    made: list[str] = []

    def make(role: str = "user", extra: list[str] | None = None) -> User:
        name = f"made-{next(NUMBERS)}"
        made.append(name)
        user: User = users.create(name, f"{name}@test.com", role, extra)
        return user

    yield make
    for name in made:
        if users.get(name):
            users.delete(name)


def roles_of(user: User) -> tuple[str, list[str]]:
    """Return the names of a user's active role and extra roles."""
    assert user.role
    return user.role.name, [role.name for role in user.extra_roles]


def refusal(act: Callable[[], Any]) -> tuple[str, str]:
    """Return path and name of the error that an operation must raise."""
    with pytest.raises(Quilt3AdminError) as caught:
        act()
    (error,) = caught.value.args[0].errors
    return error.path, error.name


def test_a_new_user_is_active_no_admin_and_has_its_roles(
    catalog: Calling, users: Any, named: Callable[..., User]
) -> None:
    """A new user is active, no admin, has its roles, and its token is valid at once."""
    made = named("user", ["viewer", "analyst", "user"])
    found = users.get(made.name)
    assert found == made
    assert (found.is_active, found.is_admin, found.is_service, found.is_sso_only) == (True, False, False, False)
    assert roles_of(found) == ("user", ["analyst", "viewer"])
    assert abs(found.date_joined.timestamp() - time.time()) < 60
    assert found.last_login == found.date_joined
    assert made.name in [user.name for user in users.list()]
    me = catalog.data(MINE, user="", Authorization=token_of(catalog, made.name))["me"]
    assert me == {
        "isAdmin": False,
        "role": {"name": "user"},
        "roles": [{"name": "user"}, {"name": "analyst"}, {"name": "viewer"}],
    }


def test_a_bad_new_user_is_refused_field_by_field(users: Any, named: Callable[..., User]) -> None:
    """A new user with a taken or invalid field is refused with its path.

    Names and addresses are unique regardless of case.
    """
    made = named()
    create = users.create
    assert refusal(lambda: create(made.name, "new@test.com", "viewer")) == ("input.name", "Conflict")
    assert refusal(lambda: create("made-x", made.email.upper(), "user")) == ("input.email", "Conflict")
    assert refusal(lambda: create("made-x", "nope", "user")) == ("input.email", "InvalidEmail")
    assert refusal(lambda: create("1 x", "x@test.com", "user")) == ("input.name", "InvalidName")
    assert refusal(lambda: create("made-x", "x@test.com", "king")) == ("input.role", "RoleDoesNotExist")
    assert refusal(lambda: create("made-x", "x@test.com", "user", ["king"])) == ("input.extraRoles", "RoleDoesNotExist")
    assert users.get(made.name) == made
    assert users.get("made-x") is None


def test_concurrent_creations_of_one_name_make_one_user(users: Any, named: Callable[..., User]) -> None:
    """Of concurrent creations of one name exactly one succeeds."""
    made = named()
    users.delete(made.name)

    def create(number: int) -> bool:
        try:
            users.create(made.name, f"{made.name}-{number}@test.com", "user")
        except Quilt3AdminError:
            return False
        return True

    with ThreadPoolExecutor(5) as pool:
        done = list(pool.map(create, range(5)))
    assert done.count(True) == 1
    assert users.get(made.name).email == f"{made.name}-{done.index(True)}@test.com"


def test_an_address_can_be_changed_to_a_free_one(users: Any, named: Callable[..., User]) -> None:
    """An email address can be changed to a free one, or in case. An invalid or taken one is refused."""
    made, other = named(), named()
    assert refusal(lambda: users.set_email(made.name, "nope")) == ("email", "InvalidEmail")
    assert refusal(lambda: users.set_email(made.name, other.email)) == ("email", "Conflict")
    assert users.set_email(made.name, made.email.upper()).email == made.email.upper()
    assert users.get(made.name).email == made.email.upper()


def test_admin_rights_come_and_go(catalog: Calling, users: Any, named: Callable[..., User]) -> None:
    """Admin rights are stored and take effect, or end, with the next request."""
    made = named()
    token = token_of(catalog, made.name)

    def asked() -> int:
        return catalog.post("{ admin { user { list { name } } } }", user="", Authorization=token).status_code

    assert asked() == 403
    assert users.set_admin(made.name, admin=True).is_admin
    assert (asked(), users.get(made.name).is_admin) == (200, True)
    users.set_admin(made.name, admin=False)
    assert (asked(), users.get(made.name).is_admin) == (403, False)


def test_an_inactive_user_is_refused_until_active_again(
    catalog: Calling, users: Any, named: Callable[..., User]
) -> None:
    """The same token is refused while its user is inactive, and valid again afterwards."""
    made = named()
    token = token_of(catalog, made.name)
    users.set_active(made.name, active=False)
    answer = catalog.post(MINE, user="", Authorization=token)
    assert (answer.status_code, answer.json()["code"]) == (401, "user_inactive")
    assert users.set_active(made.name, active=True).is_active
    assert catalog.post(MINE, user="", Authorization=token).status_code == 200


def test_the_last_admin_stays(users: Any, named: Callable[..., User]) -> None:
    """The last active admin cannot be demoted, deactivated or deleted. Another admin can be demoted."""
    other = named()
    users.set_admin(other.name, admin=True)
    users.set_active(other.name, active=False)
    assert refusal(lambda: users.set_admin("test-admin", admin=False)) == ("admin", "LastAdmin")
    assert refusal(lambda: users.set_active("test-admin", active=False)) == ("active", "LastAdmin")
    assert refusal(lambda: users.delete("test-admin")) == ("name", "LastAdmin")
    assert not users.set_admin(other.name, admin=False).is_admin
    assert users.get("test-admin").is_admin


def test_a_deleted_user_is_gone_with_its_tokens(catalog: Calling, users: Any, named: Callable[..., User]) -> None:
    """A deleted user is not listed, its extra roles are deleted, and its token is invalid."""
    made = named("user", ["viewer"])
    token = token_of(catalog, made.name)
    users.delete(made.name)
    assert users.get(made.name) is None
    assert made.name not in [user.name for user in users.list()]
    assert catalog.post(MINE, user="", Authorization=token).json()["code"] == "token_invalid"
    assert catalog.sql("SELECT count(*) FROM extra_roles WHERE user = ?", made.name) == [(0,)]


def test_changes_of_a_missing_user_find_nobody(users: Any) -> None:
    """Every change of a missing user raises `UserNotFoundError`."""
    with pytest.raises(UserNotFoundError):
        users.delete("nobody")
    with pytest.raises(UserNotFoundError):
        users.set_email("nobody", "a@b.c")
    with pytest.raises(UserNotFoundError):
        users.reset_password("nobody")
    with pytest.raises(UserNotFoundError):
        users.set_role("nobody", "user")


def test_a_user_deleted_between_opening_and_changing_is_named(
    catalog: Calling, users: Any, named: Callable[..., User]
) -> None:
    """Within one document, a second deletion of a user succeeds, and a later change is `UserDoesNotExist`."""
    made = named()
    query = "mutation D($n: String!) { admin { user { mutate(name: $n) { a: delete { __typename }"
    query += " b: delete { __typename } resetPassword { __typename ... on InvalidInput { errors { name } } } } } } }"
    done = catalog.data(query, {"n": made.name}, user="test-admin")["admin"]["user"]["mutate"]
    assert (done["a"], done["b"]) == ({"__typename": "Ok"}, {"__typename": "Ok"})
    assert done["resetPassword"]["errors"] == [{"name": "UserDoesNotExist"}]
    assert users.get(made.name) is None


def test_a_password_reset_sends_one_letter(catalog: Calling, users: Any, named: Callable[..., User]) -> None:
    """A password reset puts one mail in the control surface's mailbox, for that user only."""
    made = named()
    started = time.time()
    users.reset_password(made.name)
    (letter,) = catalog.control("GET", f"mailbox?user={made.name}").json()
    assert (letter["kind"], letter["user"], letter["email"]) == ("password_reset", made.name, made.email)
    assert letter["time"] >= started
    assert letter in catalog.control("GET", "mailbox").json()
    assert catalog.control("GET", "mailbox?user=nobody").json() == []
    assert catalog.get("/_nightproof/mailbox").status_code == 401


def test_roles_are_set_added_and_removed(users: Any, named: Callable[..., User]) -> None:
    """Setting, adding and removing roles keeps the active role out of the extra ones and no role twice."""
    name = named("user", ["viewer"]).name
    assert roles_of(users.set_role(name, "analyst", ["editor"], append=True)) == ("analyst", ["editor", "viewer"])
    assert roles_of(users.set_role(name, "viewer", ["editor"])) == ("viewer", ["editor"])
    assert roles_of(users.add_roles(name, ["analyst", "editor", "viewer"])) == ("viewer", ["analyst", "editor"])
    assert roles_of(users.remove_roles(name, ["editor", "power-user"])) == ("viewer", ["analyst"])
    assert roles_of(users.remove_roles(name, ["viewer"], fallback="analyst")) == ("analyst", [])
    assert roles_of(users.get(name)) == ("analyst", [])


def test_a_bad_change_of_roles_changes_nothing(users: Any, named: Callable[..., User]) -> None:
    """An unknown role, or removing the active role without a valid fallback, is refused and changes nothing."""
    made = named("user", ["viewer"])
    name = made.name
    assert refusal(lambda: users.set_role(name, "king")) == ("role", "RoleDoesNotExist")
    assert refusal(lambda: users.set_role(name, "viewer", ["king"])) == ("extraRoles", "RoleDoesNotExist")
    assert refusal(lambda: users.add_roles(name, ["king"])) == ("roles", "RoleDoesNotExist")
    assert refusal(lambda: users.remove_roles(name, ["king"])) == ("roles", "RoleDoesNotExist")
    assert refusal(lambda: users.remove_roles(name, ["user"])) == ("fallback", "FallbackRequired")
    assert refusal(lambda: users.remove_roles(name, ["user"], fallback="user")) == ("fallback", "FallbackRequired")
    assert refusal(lambda: users.remove_roles(name, ["user"], fallback="king")) == ("fallback", "RoleDoesNotExist")
    assert users.get(name) == made


def test_a_user_switches_between_its_roles(catalog: Calling, users: Any, named: Callable[..., User]) -> None:
    """A user may switch to one of its roles, whose rights apply from the next request."""
    name = named("analyst", ["user"]).name
    token = token_of(catalog, name)

    def readable() -> int:
        return len(catalog.data("{ buckets { name } }", user="", Authorization=token)["buckets"])

    assert readable() == 2
    switched = catalog.data(SWITCH, {"r": "user"}, user="", Authorization=token)["switchRole"]
    assert switched == {"__typename": "Me", "role": {"name": "user"}, "roles": [{"name": "user"}, {"name": "analyst"}]}
    assert (readable(), roles_of(users.get(name))) == (6, ("user", ["analyst"]))
    refused = catalog.data(SWITCH, {"r": "admin"}, user="", Authorization=token)["switchRole"]
    assert refused["errors"] == [{"path": "roleName", "name": "RoleDoesNotExist"}]


def test_the_times_of_users_are_iso(catalog: Calling) -> None:
    """The times of users are in ISO format, which strict clients require."""
    query = "{ admin { user { list { dateJoined lastLogin isRoleAssignmentDisabled isAdminAssignmentDisabled } } } }"
    for user in catalog.data(query, user="test-admin")["admin"]["user"]["list"]:
        assert datetime.fromisoformat(user["dateJoined"]) <= datetime.fromisoformat(user["lastLogin"])
        assert (user["isRoleAssignmentDisabled"], user["isAdminAssignmentDisabled"]) == (False, False)
