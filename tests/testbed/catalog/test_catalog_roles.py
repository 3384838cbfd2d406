"""Roles and policies, administered through quilt3's admin client, and their users' credentials tried on S3."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING
from typing import Any

import pytest
from quilt3.admin import exceptions
from quilt3.admin.types import Permission

from tests.testbed.catalog.calling import DATA
from tests.testbed.catalog.calling import PACKAGES
from tests.testbed.catalog.calling import PRIVATE
from tests.testbed.catalog.calling import SCRATCH
from tests.testbed.catalog.calling import WORK
from tests.testbed.catalog.making import all_meet
from tests.testbed.catalog.making import may

if TYPE_CHECKING:
    from tests.testbed.catalog.calling import Calling
    from tests.testbed.catalog.making import Making

SSO = 'version: "1.0"\ndefault_role: viewer\nmappings:\n- {schema: {type: object}, roles: [%s]}\n'


def test_the_declared_roles_have_a_policy_each(admin: Any) -> None:
    """Each declared managed role has one policy, and the permissions of a role are those of its policies."""
    roles = {role.name: role for role in admin.roles.list()}
    assert {"admin", "analyst", "editor", "power-user", "service", "user", "viewer"} <= set(roles)
    assert [policy.title for policy in roles["viewer"].policies] == ["Buckets of viewer"]
    assert roles["editor"].permissions == roles["editor"].policies[0].permissions
    assert [(p.bucket, p.level.value) for p in roles["analyst"].permissions] == [(DATA, "READ"), (PACKAGES, "READ")]
    assert roles["service"].typename__ == "UnmanagedRole"


def test_a_managed_role_lives_from_creation_to_deletion(making: Making, admin: Any) -> None:
    """A managed role can be found, renamed with its users, given other policies, and deleted once no user has it."""
    first, second = making.policy(Permission.read(DATA)), making.policy(Permission.read_write(DATA))
    made = admin.roles.create_managed(making.name(), [first.id, first.id])
    assert (made.typename__, [policy.id for policy in made.policies]) == ("ManagedRole", [first.id])
    assert admin.roles.get(made.id) == admin.roles.get(made.name) == made
    making.user(made.name)
    renamed = admin.roles.update_managed(made.id, name=making.name(), policies=[first.id, second.id])
    assert [(p.bucket, p.level.value) for p in renamed.permissions] == [(DATA, "READ_WRITE")]
    assert admin.users.get(making.users[-1]).role == renamed
    with pytest.raises(exceptions.RoleAssignedError):
        admin.roles.delete(renamed.id)
    admin.users.set_role(making.users[-1], "viewer", [renamed.name])
    with pytest.raises(exceptions.RoleAssignedError):
        admin.roles.delete(renamed.id)
    admin.users.set_role(making.users[-1], "viewer")
    admin.roles.delete(renamed.name)
    assert admin.roles.get(made.id) is None
    with pytest.raises(exceptions.RoleNotFoundError):
        admin.roles.delete(made.id)


def test_an_unmanaged_role_is_its_iam_role(making: Making, admin: Any) -> None:
    """An unmanaged role has the buckets and rights of its IAM role, and a change of the ARN takes effect at once."""
    analyst = admin.roles.get("analyst").arn
    made = admin.roles.create_unmanaged(making.name(), analyst)
    assert (made.typename__, made.arn) == ("UnmanagedRole", analyst)
    bearer = making.user(made.name)
    assert buckets_of(making, bearer) == [DATA, PACKAGES]
    s3 = making.s3(bearer)
    assert may(lambda: s3.list_objects_v2(Bucket=DATA))
    assert not may(lambda: s3.list_objects_v2(Bucket=SCRATCH))
    wide = admin.roles.patch_unmanaged(made.id, arn=admin.roles.get("editor").arn)
    assert (wide.id, wide.name, buckets_of(making, bearer)) == (made.id, made.name, [DATA, PACKAGES, SCRATCH, WORK])
    assert may(lambda: making.s3(bearer).put_object(Bucket=SCRATCH, Key="roles/x", Body=b"x"))


def buckets_of(making: Making, bearer: str) -> list[str]:
    """Return the names of the buckets that a user's role may read."""
    found = making.catalog.data("{ buckets { name } }", user="", Authorization=bearer)["buckets"]
    return [bucket["name"] for bucket in found]


def test_keys_of_a_role_that_aws_does_not_lend_are_refused(making: Making, admin: Any) -> None:
    """A role with an unknown ARN reads nothing, and a request for its credentials is refused with the reason."""
    nowhere = admin.roles.get("viewer").arn.replace("nightproof-viewer", "nobody")
    bearer = making.user(admin.roles.create_unmanaged(making.name(), nowhere).name)
    answer = making.keys(bearer)
    assert (answer.status_code, answer.json()["message"][:26]) == (403, "AWS lends no keys of the r")
    assert buckets_of(making, bearer) == []


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "a/b", "é"])
def test_what_is_no_role_name_is_refused(admin: Any, name: str) -> None:
    """A role name that IAM would not accept is refused."""
    with pytest.raises(exceptions.RoleNameInvalidError):
        admin.roles.create_managed(name, [])


def test_names_of_roles_are_unique_and_admin_is_reserved(making: Making, admin: Any) -> None:
    """Role names are unique regardless of case. The role `admin` cannot be created, renamed or deleted."""
    made = making.role()
    all_meet(
        exceptions.RoleNameExistsError,
        lambda: admin.roles.create_managed(made.name.upper(), []),
        lambda: admin.roles.create_unmanaged("viewer", admin.roles.get("viewer").arn),
        lambda: admin.roles.patch_managed(made.id, name="Viewer"),
    )
    all_meet(
        exceptions.RoleNameReservedError,
        lambda: admin.roles.create_managed("Admin", []),
        lambda: admin.roles.patch_managed(made.id, name="ADMIN"),
        lambda: admin.roles.patch_managed("admin", name="other"),
        lambda: admin.roles.delete("admin"),
    )
    assert admin.roles.patch_managed(made.id, name=made.name.upper()).name == made.name.upper()
    admin.roles.patch_managed(made.id, name=made.name)


def test_a_role_stays_of_its_kind(making: Making, admin: Any) -> None:
    """A managed role cannot be made unmanaged, nor an unmanaged one managed."""
    managed, unmanaged = making.role(), admin.roles.create_unmanaged(making.name(), admin.roles.get("viewer").arn)
    all_meet(
        exceptions.RoleTypeMismatchError,
        lambda: admin.roles.update_unmanaged(managed.id, name=managed.name, arn=unmanaged.arn),
        lambda: admin.roles.update_managed(unmanaged.id, name=unmanaged.name, policies=[]),
    )


def test_a_role_takes_ten_policies(making: Making, admin: Any) -> None:
    """A role has at most ten policies. An eleventh is refused from either side, and nothing changes."""
    ids = [making.policy().id for _ in range(11)]
    with pytest.raises(exceptions.RoleTooManyPoliciesError):
        admin.roles.create_managed(making.name(), ids)
    made = admin.roles.create_managed(making.name(), ids[:10])
    with pytest.raises(exceptions.RoleTooManyPoliciesError):
        admin.roles.patch_managed(made.id, policies=ids)
    with pytest.raises(exceptions.RoleTooManyPoliciesError):
        making.policy(roles=(made.id,))
    assert {policy.id for policy in admin.roles.get(made.id).policies} == set(ids[:10])


ROLE = "mutation R($n: String!, $p: [ID!]!) { roleCreateManaged(input: {name: $n, policies: $p}) { __typename } }"
LEND = "mutation R($n: String!, $a: String!) { roleCreateUnmanaged(input: {name: $n, arn: $a}) { __typename } }"
CHANGE = 'mutation R($i: ID!) { roleUpdateManaged(id: $i, input: {name: "x", policies: []}) { __typename } }'


def test_bad_input_that_no_arm_names_fails_the_request(catalog: Calling, admin: Any) -> None:
    """An unknown policy or role or an invalid ARN has no union member.

    The request is answered 400, and nothing is created.
    """
    before = admin.roles.list()
    for query, variables in (
        (ROLE, {"n": "made-role-x", "p": ["nothing"]}),
        (LEND, {"n": "made-role-x", "a": "arn:aws:iam::1:role/x"}),
        (CHANGE, {"i": "nothing"}),
    ):
        answer = catalog.post(query, variables, user="test-admin")
        assert answer.status_code == 400
        assert "`" in answer.json()["message"]
    assert admin.roles.list() == before


def test_a_role_that_single_sign_on_names_stays(making: Making, admin: Any) -> None:
    """A role named in the SSO configuration cannot be renamed, deleted or set as default. Its policies may change."""
    made, disabled = making.role(), "{ admin { isDefaultRoleSettingDisabled } }"
    assert making.catalog.data(disabled, user="test-admin")["admin"] == {"isDefaultRoleSettingDisabled": False}
    admin.sso_config.set(SSO % made.name)
    try:
        all_meet(
            exceptions.RoleSsoConfigConflictError,
            lambda: admin.roles.delete(made.id),
            lambda: admin.roles.patch_managed(made.id, name="other"),
            lambda: admin.roles.set_default(made.id),
        )
        policy = making.policy(Permission.read(DATA))
        assert [p.id for p in admin.roles.patch_managed(made.id, policies=[policy.id]).policies] == [policy.id]
        assert making.catalog.data(disabled, user="test-admin")["admin"] == {"isDefaultRoleSettingDisabled": True}
    finally:
        admin.sso_config.set(None)


def test_the_default_role_is_the_one_that_was_set(making: Making, admin: Any) -> None:
    """The default role is the one last set. There is none at first, and none after it is deleted."""
    assert admin.roles.get_default() is None
    made = making.role()
    assert admin.roles.set_default(made.name) == made
    assert admin.roles.get_default() == made
    admin.roles.delete(made.id)
    assert admin.roles.get_default() is None
    answer = making.catalog.data(
        'mutation { roleSetDefault(id: "x") { __typename } roleDelete(id: "x") { __typename } }', user="test-admin"
    )
    assert {arm["__typename"] for arm in answer.values()} == {"RoleDoesNotExist"}


def test_keys_obey_the_policies_of_the_role_on_s3_itself(making: Making, admin: Any) -> None:
    """Credentials have exactly the rights of the role's policies on S3, and new ones follow each change."""
    policy = making.policy(Permission.read(DATA), Permission.read_write(SCRATCH))
    bearer = making.user(admin.roles.create_managed(making.name(), [policy.id]).name)

    def rights() -> list[str]:
        s3, found = making.s3(bearer), []
        for bucket in (DATA, SCRATCH, PRIVATE):
            reads = may(partial(s3.list_objects_v2, Bucket=bucket))
            writes = may(partial(s3.delete_object, Bucket=bucket, Key="roles/nothing"))
            found.append(f"{'r' if reads else '-'}{'w' if writes else '-'}")
        return found

    assert rights() == ["r-", "rw", "--"]
    admin.policies.patch_managed(policy.id, permissions=[Permission.read_write(PRIVATE)])
    assert (rights(), buckets_of(making, bearer)) == (["--", "--", "rw"], [PRIVATE])
    admin.policies.patch_managed(policy.id, roles=[])
    admin.policies.delete(policy.title)
    assert (rights(), buckets_of(making, bearer)) == (["--", "--", "--"], [])


def test_a_declared_role_can_be_widened_and_narrowed(making: Making, admin: Any) -> None:
    """A declared role's credentials follow an added policy. Without it the role has its own IAM role again."""
    viewer = admin.roles.get("viewer")
    more = making.policy(Permission.read_write(PRIVATE), roles=(viewer.id,))
    bearer = f"Bearer {making.catalog.token('test-readonly')}"
    assert admin.roles.get("viewer").arn == admin.roles.get("admin").arn
    assert may(lambda: making.s3(bearer).put_object(Bucket=PRIVATE, Key="roles/x", Body=b"x"))
    admin.policies.patch_managed(more.id, roles=[])
    admin.policies.delete(more.id)
    assert admin.roles.get("viewer") == viewer
    assert not may(lambda: making.s3(bearer).list_objects_v2(Bucket=PRIVATE))


@pytest.mark.parametrize(
    "query",
    [
        *("{ roles { __typename } }", '{ role(id: "x") { __typename } }', "{ defaultRole { __typename } }"),
        *("{ policies { id } }", '{ policy(id: "x") { id } }'),
        'mutation { roleCreateManaged(input: {name: "x", policies: []}) { __typename } }',
        'mutation { roleCreateUnmanaged(input: {name: "x", arn: "x"}) { __typename } }',
        'mutation { roleUpdateManaged(id: "x", input: {name: "x", policies: []}) { __typename } }',
        'mutation { roleUpdateUnmanaged(id: "x", input: {name: "x", arn: "x"}) { __typename } }',
        *('mutation { roleDelete(id: "x") { __typename } }', 'mutation { roleSetDefault(id: "x") { __typename } }'),
        'mutation { policyCreateManaged(input: {title: "x", permissions: [], roles: []}) { __typename } }',
        'mutation { policyCreateUnmanaged(input: {title: "x", arn: "x", roles: []}) { __typename } }',
        'mutation { policyUpdateManaged(id: "x", input: {title: "x", permissions: [], roles: []}) { __typename } }',
        'mutation { policyUpdateUnmanaged(id: "x", input: {title: "x", arn: "x", roles: []}) { __typename } }',
        'mutation { policyDelete(id: "x") { __typename } }',
    ],
)
def test_only_admins_reach_roles_and_policies(catalog: Calling, query: str) -> None:
    """Every query and mutation of roles and policies is forbidden to non-admins."""
    answer = catalog.post(query)
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["required"]) == (403, ["admin"])


def test_nobody_meets_a_role_half_renamed(making: Making, admin: Any) -> None:
    """While a role is renamed repeatedly, its user is always accepted and every list is complete."""
    names = making.name(), making.name()
    role = admin.roles.create_managed(names[0], [])
    bearer = making.user(names[0])
    data, statuses = making.catalog.data, []
    rename = "mutation R($i: ID!, $n: String!) { roleUpdateManaged(id: $i, input: {name: $n, policies: []}) {"
    rename += " __typename } }"

    def ask(number: int) -> None:
        if number % 2:
            data(rename, {"i": role.id, "n": names[number // 2 % 2]}, user="test-admin")
            return
        query = "{ me { role { name } } }" if number % 4 else "{ admin { user { list { role { __typename } } } } }"
        asker = bearer if number % 4 else making.catalog.bearer("test-admin")["Authorization"]
        statuses.append(making.catalog.post(query, user="", Authorization=asker).status_code)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(ask, range(80)))
    assert statuses == [200] * 40
