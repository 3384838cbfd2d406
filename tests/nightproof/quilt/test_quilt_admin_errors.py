"""Failures of admin operations: on either backend one class, one context and a sentence, whoever refuses."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import httpx
import pytest

from nightproof import quilt
from nightproof.quilt.records import Timeouts
from nightproof.quilt.signing import sign_jwt
from testbed.catalog.people import user_uuid

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightproof.quilt.admin_contract import AdminOps
    from tests.nightproof.quilt.conftest import World
    from tests.nightproof.quilt.rubbish import Rubbish

BAD_ARGUMENTS: Final[list[tuple[str, dict[str, Any], str]]] = [
    ("admin.get_user", {"name": ""}, "name"),
    ("admin.delete_user", {"name": None}, "name"),
    ("admin.reset_user_password", {"name": 5}, "name"),
    ("admin.create_user", {"name": "a.b", "email": "a@b.c", "role": "user"}, "name"),
    ("admin.create_user", {"name": "a" * 65, "email": "a@b.c", "role": "user"}, "name"),
    ("admin.create_user", {"name": "a", "email": None, "role": "user"}, "email"),
    ("admin.create_user", {"name": "a", "email": "a@b.c", "role": None}, "role"),
    ("admin.set_user_email", {"name": "a", "email": "nope"}, "email"),
    ("admin.set_user_admin", {"name": "a", "admin": 1}, "admin"),
    ("admin.set_user_active", {"name": "a", "active": None}, "active"),
    ("admin.set_user_role", {"name": "a", "role": ""}, "role"),
    ("admin.set_user_role", {"name": "a", "role": "b", "extra_roles": "c"}, "extra_roles"),
    ("admin.set_user_role", {"name": "a", "role": "b", "append": "yes"}, "append"),
    ("admin.add_user_roles", {"name": "a", "roles": []}, "roles"),
    ("admin.remove_user_roles", {"name": "a", "roles": ["b"], "fallback": ""}, "fallback"),
    ("admin.set_sso_config", {"config": None}, "config"),
    ("admin.get_api_key", {"key_id": ""}, "key_id"),
    ("admin.list_api_keys", {"status": "ANY"}, "status"),
    ("list_tabulator_tables", {"bucket": "s3://b"}, "bucket"),
    ("get_tabulator_table", {"bucket": "b", "table_name": ""}, "table_name"),
    ("create_tabulator_table", {"bucket": "b", "table_name": "a b", "config": ""}, "table_name"),
    ("create_tabulator_table", {"bucket": "", "table_name": "t", "config": ""}, "bucket"),
    ("update_tabulator_table", {"bucket": "b", "table_name": "t", "config": 5}, "config"),
    ("rename_tabulator_table", {"bucket": "b", "old_name": "", "new_name": "u"}, "old_name"),
    ("rename_tabulator_table", {"bucket": "b", "old_name": "t", "new_name": "u/v"}, "new_name"),
    ("delete_tabulator_table", {"bucket": None, "table_name": "t"}, "bucket"),
    ("set_open_query", {"enabled": "yes"}, "enabled"),
    ("create_api_key", {"name": "", "expires_in_days": 1}, "name"),
    ("create_api_key", {"name": "a", "expires_in_days": 1.5}, "expires_in_days"),
]


def named(ops: quilt.QuiltOps, operation: str) -> Callable[..., Any]:
    """Return an operation by the name that errors have for it."""
    method: Callable[..., Any] = getattr(ops.admin if "." in operation else ops, operation.rsplit(".", 1)[-1])
    return method


@pytest.mark.parametrize(("operation", "given", "field"), BAD_ARGUMENTS)
def test_arguments_are_checked_before_anything_is_sent(
    on_rubbish: Any, rubbish: Rubbish, backend: str, operation: str, given: dict[str, Any], field: str
) -> None:
    """A bad argument is named with its value before any request is sent."""
    rubbish.asked.clear()
    with pytest.raises(quilt.ValidationError) as caught:
        named(on_rubbish(backend), operation)(**given)
    context = caught.value.context
    assert context.pop("validation_rule")
    assert context == {
        "backend_type": backend,
        "operation": operation,
        "field_name": field,
        "field_value": given[field],
    }
    assert f"`{field}`" in caught.value.message
    assert rubbish.asked == []


def mutated(arm: object) -> bytes:
    """Return the answer to a change of a user's e-mail address."""
    return json.dumps({"data": {"admin": {"user": {"mutate": {"setEmail": arm}}}}}).encode()


def invalid(name: str, path: str | None) -> dict[str, Any]:
    """Return an InvalidInput arm."""
    error = {"path": path, "message": "This is wrong.", "name": name, "context": None}
    return {"__typename": "InvalidInput", "errors": [error]}


def failed(name: str, context: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return an OperationError arm."""
    return {"__typename": "OperationError", "name": name, "message": "Failed.", "context": context}


ARMS: Final[list[tuple[object, type[quilt.QuiltOpsError], dict[str, Any]]]] = [
    (invalid("Conflict", "email"), quilt.ValidationError, {"field_name": "email", "validation_rule": "must be unique"}),
    (invalid("Odd", "input.email"), quilt.ValidationError, {"validation_rule": "This is wrong."}),
    (invalid("Odd", "somethingElse"), quilt.ValidationError, {"field_name": "something_else", "field_value": None}),
    (invalid("Odd", None), quilt.ValidationError, {"field_name": "", "field_value": None}),
    (invalid("UserDoesNotExist", "name"), quilt.NotFoundError, {"resource_type": "user", "identifier": "u"}),
    (invalid("MoonNotFound", "moon"), quilt.ValidationError, {"field_name": "moon"}),
    (None, quilt.BackendError, {"kind": "protocol"}),
    ({"__typename": "Ok"}, quilt.BackendError, {"kind": "protocol"}),
    ({"__typename": "InvalidInput", "errors": []}, quilt.BackendError, {"kind": "protocol"}),
    (failed("UserNotFound"), quilt.NotFoundError, {"resource_type": "user", "identifier": "u"}),
    (failed("Strange"), quilt.BackendError,
     {"kind": "graphql", "errors": [{"name": "Strange", "message": "Failed.", "path": None}]}),
    (failed("Forbidden", {"required": ["admin"], "role": "viewer", "level": "read"}), quilt.PermissionError,
     {"required_permissions": ["admin"], "user_role": "viewer", "access_level": "read"}),
]  # fmt: skip


@pytest.mark.parametrize(("arm", "expected", "part"), ARMS)
def test_every_arm_has_its_error(
    on_rubbish: Any,
    rubbish: Rubbish,
    backend: str,
    arm: object,
    expected: type[quilt.QuiltOpsError],
    part: dict[str, Any],
) -> None:
    """quilt3's typed exceptions and the platform's result types map to the same errors."""
    rubbish.spoil("graphql", mutated(arm))
    with pytest.raises(quilt.QuiltOpsError) as caught:
        on_rubbish(backend).admin.set_user_email("u", "a@b.c")
    assert type(caught.value) is expected
    assert caught.value.context | part == caught.value.context
    assert caught.value.context["operation"] == "admin.set_user_email"


def test_something_missing_that_nobody_named_is_a_failure(on_rubbish: Any, rubbish: Rubbish, backend: str) -> None:
    """A not-found answer about something that no argument names is a failure."""
    rubbish.spoil("graphql", json.dumps({"data": {"admin": {"setSsoConfig": failed("MoonNotFound")}}}).encode())
    with pytest.raises(quilt.BackendError) as caught:
        on_rubbish(backend).admin.set_sso_config("x")
    assert (caught.value.context["kind"], caught.value.context["errors"][0]["name"]) == ("graphql", "MoonNotFound")


USER: Final = {
    "__typename": "User", "name": "u", "email": "a@b.c", "dateJoined": "2026-01-01T00:00:00+00:00",
    "lastLogin": "2026-01-01T01:00:00+01:00", "isActive": True, "isAdmin": False, "isSsoOnly": False,
    "isService": False, "role": None, "extraRoles": [],
}  # fmt: skip


def test_times_are_utc_and_a_user_may_have_no_role(on_rubbish: Any, rubbish: Rubbish, backend: str) -> None:
    """Times with an offset are converted to UTC, and a user may have no role."""
    rubbish.spoil("graphql", mutated(USER))
    found = on_rubbish(backend).admin.set_user_email("u", "a@b.c")
    assert (found.last_login, found.role) == ("2026-01-01T00:00:00+00:00", None)
    assert found.role_names == frozenset()


@pytest.mark.parametrize("moment", ["1700000000", "2026-01-01T00:00:00", "", None, 1700000000])
def test_a_time_that_is_none_is_the_servers_fault(
    on_rubbish: Any, rubbish: Rubbish, backend: str, moment: object
) -> None:
    """An invalid time is the server's fault."""
    rubbish.spoil("graphql", mutated(USER | {"dateJoined": moment}))
    with pytest.raises(quilt.BackendError) as caught:
        on_rubbish(backend).admin.set_user_email("u", "a@b.c")
    assert caught.value.context["kind"] == "protocol"


def test_another_user_than_asked_for_is_the_servers_fault(on_rubbish: Any, rubbish: Rubbish, backend: str) -> None:
    """An answer about another user is the server's fault."""
    rubbish.spoil("graphql", json.dumps({"data": {"admin": {"user": {"get": USER}}}}).encode())
    with pytest.raises(quilt.BackendError) as caught:
        on_rubbish(backend).admin.get_user("somebody-else")
    assert caught.value.context["kind"] == "protocol"


def test_what_only_quilt3_needs_must_be_there_too(on_rubbish: Any, rubbish: Rubbish) -> None:
    """A managed role without its policies is an invalid answer on quilt3."""
    role = {"__typename": "ManagedRole", "id": "1", "name": "r", "arn": "a"}
    rubbish.spoil("graphql", mutated(USER | {"role": role}))
    with pytest.raises(quilt.BackendError) as caught:
        on_rubbish("quilt3").admin.set_user_email("u", "a@b.c")
    assert (caught.value.context["kind"], "policies" in caught.value.context["original_exception"]) == (
        "protocol",
        True,
    )
    assert on_rubbish("platform").admin.set_user_email("u", "a@b.c").role_names == {"r"}


def test_a_configuration_that_vanishes_is_the_servers_fault(on_rubbish: Any, rubbish: Rubbish, backend: str) -> None:
    """A null configuration in the answer to a change is the server's fault."""
    rubbish.spoil("graphql", b'{"data": {"admin": {"setSsoConfig": null}}}')
    with pytest.raises(quilt.BackendError) as caught:
        on_rubbish(backend).admin.set_sso_config("x")
    assert caught.value.context["kind"] == "protocol"


def test_a_slow_catalog_is_a_timeout(world: World, backend: str, fault: Callable[..., None]) -> None:
    """A slow catalog is a timeout at our limit on both backends."""
    admin = world.make(backend, "test-admin", timeouts=Timeouts(read_s=1.0)).admin
    admin.list_roles()
    fault("latency", operation="roles", seconds=3)
    with pytest.raises(quilt.BackendError, match="no answer within 1 s") as caught:
        admin.list_roles()
    context = caught.value.context
    assert (context["kind"], context["timeout_s"], context["operation"]) == ("timeout", 1, "admin.list_roles")
    assert 1 <= context["elapsed_s"] < 3


@pytest.mark.parametrize("status", [404, 500, 503])
def test_a_failing_catalog_is_no_timeout(admin: AdminOps, fault: Callable[..., None], status: int) -> None:
    """A failing catalog is an error with its HTTP status, not a timeout."""
    fault("error", operation="roles", status=status)
    with pytest.raises(quilt.BackendError, match=f"HTTP {status}") as caught:
        admin.list_roles()
    assert (caught.value.context["kind"], caught.value.context["http_status"]) == ("http", status)
    assert caught.value.context["elapsed_s"] > 0


def bearer(world: World, backend: str, user: str, lives_s: float = 600) -> quilt.QuiltOps:
    """Return an instance for a user, signed in by an access token signed here."""
    claims = {"id": user, "uuid": user_uuid(user), "exp": int(time.time() + lives_s)}
    token = sign_jwt(world.target.facts["jwt_secret"], claims)
    return world.make(backend, credentials=quilt.Credentials(access_token=token))


def test_a_deactivated_admin_is_refused_at_once(
    world: World, admin: AdminOps, backend: str, unique: Callable[[], str]
) -> None:
    """A deactivated admin is refused at once, and accepted again after the reactivation."""
    name = unique()
    admin.create_user(name, f"{name}@example.org", "user")
    admin.set_user_admin(name, admin=True)
    other = bearer(world, backend, name).admin
    assert name in {user.name for user in other.list_users()}
    admin.set_user_active(name, active=False)
    with pytest.raises(quilt.AuthenticationError) as caught:
        other.list_users()
    assert (caught.value.context["reason"], caught.value.context["operation"]) == ("inactive", "admin.list_users")
    admin.set_user_active(name, active=True)
    assert other.get_user(name).is_admin
    admin.set_user_admin(name, admin=False)
    with pytest.raises(quilt.PermissionError):
        other.list_users()


def test_an_expired_token_is_told(world: World, backend: str) -> None:
    """An expired token is reported at the first operation, with the time of its end."""
    with pytest.raises(quilt.AuthenticationError, match="expired") as caught:
        bearer(world, backend, "test-admin", lives_s=-60).admin.list_users()
    assert caught.value.context["reason"] == "expired"


def test_each_backend_asks_in_its_own_words(world: World, governor: quilt.QuiltOps, backend: str) -> None:
    """quilt3 sends the library's GraphQL documents, the platform sends ours."""
    began = time.time()
    governor.admin.list_users()
    governor.list_tabulator_tables("quilt-mcp-test-work")
    url = f"{world.target.facts['services']['catalog']['url']}/_nightproof/calls"
    headers = {"Authorization": f"Bearer {world.target.facts['control_token']}"}
    calls = httpx.get(url, params={"since": began}, headers=headers, timeout=10).json()
    expected = {
        "quilt3": {"usersList", "bucketTabulatorTablesList"},
        "platform": {"ListUsers", "ListTabulatorTables"},
    }[backend]
    assert expected <= {call["operation"] for call in calls}


def test_threads_share_an_instance(governor: quilt.QuiltOps, unique: Callable[[], str]) -> None:
    """Users and tables that threads create in parallel through one instance all exist."""
    names = [unique() for _ in range(6)]
    with ThreadPoolExecutor(len(names)) as pool:
        made = list(pool.map(lambda name: governor.admin.create_user(name, f"{name}@example.org", "user").name, names))
        tables = list(pool.map(governor.list_tabulator_tables, ["quilt-mcp-test-work"] * 6))
    assert made == names
    assert all(found == tables[0] for found in tables)
    assert set(names) <= {user.name for user in governor.admin.list_users()}
