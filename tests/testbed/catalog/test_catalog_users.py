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
    """Give quilt3's own client of the users' administration, signed in as an admin."""
    return admin.users


@pytest.fixture
def named(users: Any) -> Iterator[Callable[..., User]]:
    """Give a function that makes a user; all are gone after the test."""
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
    """Give the names of a user's active and extra roles."""
    assert user.role
    return user.role.name, [role.name for role in user.extra_roles]


def refusal(act: Callable[[], Any]) -> tuple[str, str]:
    """Give path and name of the error that an operation must meet."""
    with pytest.raises(Quilt3AdminError) as caught:
        act()
    (error,) = caught.value.args[0].errors
    return error.path, error.name


def test_a_new_user_is_active_no_admin_and_has_its_roles(
    catalog: Calling, users: Any, named: Callable[..., User]
) -> None:
    """It has not signed in yet, and its token counts at once."""
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
    """Names and addresses are unique whatever their case; nothing changes for the other."""
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
    """Of many at the same time one succeeds, and others beside them are not lost."""
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
    """A bad or a taken one changes nothing; one's own is no conflict."""
    made, other = named(), named()
    assert refusal(lambda: users.set_email(made.name, "nope")) == ("email", "InvalidEmail")
    assert refusal(lambda: users.set_email(made.name, other.email)) == ("email", "Conflict")
    assert users.set_email(made.name, made.email.upper()).email == made.email.upper()
    assert users.get(made.name).email == made.email.upper()


def test_admin_rights_come_and_go(catalog: Calling, users: Any, named: Callable[..., User]) -> None:
    """They count from the next request on, and are stored."""
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
    """Its token is the same all the time."""
    made = named()
    token = token_of(catalog, made.name)
    users.set_active(made.name, active=False)
    answer = catalog.post(MINE, user="", Authorization=token)
    assert (answer.status_code, answer.json()["code"]) == (401, "user_inactive")
    assert users.set_active(made.name, active=True).is_active
    assert catalog.post(MINE, user="", Authorization=token).status_code == 200


def test_the_last_admin_stays(users: Any, named: Callable[..., User]) -> None:
    """It can be neither demoted nor deactivated nor deleted, while another one can."""
    other = named()
    users.set_admin(other.name, admin=True)
    users.set_active(other.name, active=False)
    assert refusal(lambda: users.set_admin("test-admin", admin=False)) == ("admin", "LastAdmin")
    assert refusal(lambda: users.set_active("test-admin", active=False)) == ("active", "LastAdmin")
    assert refusal(lambda: users.delete("test-admin")) == ("name", "LastAdmin")
    assert not users.set_admin(other.name, admin=False).is_admin
    assert users.get("test-admin").is_admin


def test_a_deleted_user_is_gone_with_its_tokens(catalog: Calling, users: Any, named: Callable[..., User]) -> None:
    """Its token names nobody any more."""
    made = named("user", ["viewer"])
    token = token_of(catalog, made.name)
    users.delete(made.name)
    assert users.get(made.name) is None
    assert made.name not in [user.name for user in users.list()]
    assert catalog.post(MINE, user="", Authorization=token).json()["code"] == "token_invalid"
    assert catalog.sql("SELECT count(*) FROM extra_roles WHERE user = ?", made.name) == [(0,)]


def test_changes_of_a_missing_user_find_nobody(users: Any) -> None:
    """The client learns that there is no such user."""
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
    """One document deletes a user twice and changes it afterwards: the second deletion finds nothing to do."""
    made = named()
    query = "mutation D($n: String!) { admin { user { mutate(name: $n) { a: delete { __typename }"
    query += " b: delete { __typename } resetPassword { __typename ... on InvalidInput { errors { name } } } } } } }"
    done = catalog.data(query, {"n": made.name}, user="test-admin")["admin"]["user"]["mutate"]
    assert (done["a"], done["b"]) == ({"__typename": "Ok"}, {"__typename": "Ok"})
    assert done["resetPassword"]["errors"] == [{"name": "UserDoesNotExist"}]
    assert users.get(made.name) is None


def test_a_password_reset_sends_one_letter(catalog: Calling, users: Any, named: Callable[..., User]) -> None:
    """The mailbox of the control surface holds it; other users get none."""
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
    """The active role is never among the extra ones, and no role is there twice."""
    name = named("user", ["viewer"]).name
    assert roles_of(users.set_role(name, "analyst", ["editor"], append=True)) == ("analyst", ["editor", "viewer"])
    assert roles_of(users.set_role(name, "viewer", ["editor"])) == ("viewer", ["editor"])
    assert roles_of(users.add_roles(name, ["analyst", "editor", "viewer"])) == ("viewer", ["analyst", "editor"])
    assert roles_of(users.remove_roles(name, ["editor", "power-user"])) == ("viewer", ["analyst"])
    assert roles_of(users.remove_roles(name, ["viewer"], fallback="analyst")) == ("analyst", [])
    assert roles_of(users.get(name)) == ("analyst", [])


def test_a_bad_change_of_roles_changes_nothing(users: Any, named: Callable[..., User]) -> None:
    """Unknown roles are named, and the active role needs another one in its place."""
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
    """The rights are those of the active role from the next request on."""
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
    """Strict clients parse them."""
    query = "{ admin { user { list { dateJoined lastLogin isRoleAssignmentDisabled isAdminAssignmentDisabled } } } }"
    for user in catalog.data(query, user="test-admin")["admin"]["user"]["list"]:
        assert datetime.fromisoformat(user["dateJoined"]) <= datetime.fromisoformat(user["lastLogin"])
        assert (user["isRoleAssignmentDisabled"], user["isAdminAssignmentDisabled"]) == (False, False)
