"""Managed and unmanaged policies, administered through quilt3's admin client."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from typing import Any

import pytest
from quilt3.admin import exceptions
from quilt3.admin.types import Permission

from testbed.aws.provision import client
from tests.testbed.catalog.calling import DATA
from tests.testbed.catalog.calling import PRIVATE
from tests.testbed.catalog.calling import WORK
from tests.testbed.catalog.making import may
from tests.testbed.catalog.making import refused

if TYPE_CHECKING:
    from tests.testbed.catalog.calling import Calling
    from tests.testbed.catalog.making import Making


def test_a_policy_of_aws_counts_for_keys(making: Making, admin: Any) -> None:
    """Credentials have the rights of a role's IAM policy besides those of its managed policies."""
    iam = client(making.catalog.target.aws_url, "iam")
    allow = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{PRIVATE}"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    arn = iam.create_policy(PolicyName=making.name(), PolicyDocument=document)["Policy"]["Arn"]
    role = making.role(Permission.read(DATA))
    bearer = making.user(role.name)
    assert not may(lambda: making.s3(bearer).list_objects_v2(Bucket=PRIVATE))
    made = admin.policies.create_unmanaged(making.name(), arn=arn, roles=[role.id])
    assert (made.managed, made.arn, made.permissions, made.roles[0].id) == (False, arn, [], role.id)
    s3 = making.s3(bearer)
    assert may(lambda: s3.list_objects_v2(Bucket=PRIVATE))
    assert not may(lambda: s3.get_object(Bucket=PRIVATE, Key="roles/x"))
    assert may(lambda: s3.list_objects_v2(Bucket=DATA))
    admin.policies.patch_unmanaged(made.id, arn=f"{arn}-gone")
    assert (making.keys(bearer).status_code, "policies" in making.keys(bearer).json()["message"]) == (403, True)
    iam.delete_policy(PolicyArn=arn)


def test_policies_are_listed_found_and_changed(making: Making, admin: Any) -> None:
    """A policy is found by id and title, and can be changed, attached to roles and deleted."""
    role, other = making.role(), making.role()
    made = making.policy(Permission.read(WORK), Permission.read_write(DATA), roles=(role.id,))
    assert (made.managed, made.arn.rpartition("/")[2]) == (True, f"nightproof-{made.id}")
    assert admin.policies.get(made.id) == admin.policies.get(made.title) == made
    assert made in admin.policies.list()
    assert [p.id for p in admin.roles.get(role.id).policies] == [made.id]
    title = making.name()
    changed = admin.policies.update_managed(made.id, title=title, permissions=[], roles=[other.id])
    assert (changed.title, changed.permissions, [r.id for r in changed.roles]) == (title, [], [other.id])
    assert admin.roles.get(role.id).policies == []
    admin.policies.patch_managed(made.id, roles=[])
    admin.policies.delete(made.id)
    assert (admin.policies.get(made.id), admin.roles.get(other.id).policies) == (None, [])
    with pytest.raises(exceptions.PolicyNotFoundError):
        admin.policies.delete(made.id)


@pytest.mark.parametrize("is_managed", [True, False])
def test_an_assigned_policy_stays(making: Making, admin: Any, *, is_managed: bool) -> None:
    """A policy that a role has cannot be deleted, whichever side attached it. Once no role has it, it can."""
    role = making.role(Permission.read(DATA))
    if is_managed:
        made = admin.policies.get(admin.roles.get(role.id).policies[0].id)
    else:
        arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
        made = admin.policies.create_unmanaged(making.name(), arn=arn, roles=[role.id])
    before = admin.roles.get(role.id)
    with pytest.raises(exceptions.OperationError) as caught:
        admin.policies.delete(made.id)
    assert caught.value.details.name == "PolicyAssigned"
    assert made.title in caught.value.details.message
    assert (admin.policies.get(made.id), admin.roles.get(role.id)) == (made, before)
    admin.roles.delete(role.id)
    admin.policies.delete(made.id)
    assert admin.policies.get(made.id) is None


def test_a_bad_policy_is_refused_and_changes_nothing(making: Making, admin: Any) -> None:
    """A policy with a taken title or ARN or an invalid field is refused with its own error, and nothing changes."""
    managed = making.policy()
    foreign = admin.policies.create_unmanaged(making.name(), arn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    before, policies = admin.policies.list(), admin.policies
    with pytest.raises(exceptions.PolicyTitleExistsError):
        policies.create_managed(managed.title, permissions=[])
    with pytest.raises(exceptions.PolicyArnExistsError):
        policies.create_unmanaged("made-role-y", arn=foreign.arn)
    with pytest.raises(exceptions.PolicyTitleExistsError):
        policies.patch_unmanaged(foreign.id, title=managed.title)
    twice = [Permission.read(DATA), Permission.read_write(DATA)]
    none, service = Permission.read("nothing"), admin.roles.get("service").id
    create = policies.create_managed
    assert refused(lambda: create(" ", permissions=[])) == ("input.title", "InvalidTitle")
    assert refused(lambda: create("y", permissions=[none])) == ("input.permissions.0.bucket", "BucketNotFound")
    assert refused(lambda: create("y", permissions=twice)) == ("input.permissions.1.bucket", "Conflict")
    assert refused(lambda: create("y", permissions=[], roles=["no"])) == ("input.roles.0", "RoleDoesNotExist")
    assert refused(lambda: create("y", permissions=[], roles=[service])) == ("input.roles.0", "RoleIsUnmanaged")
    assert refused(lambda: policies.create_unmanaged("y", arn="x")) == ("input.arn", "InvalidArn")
    both: dict[str, Any] = {"title": "y", "roles": []}
    of_managed = refused(lambda: policies.update_unmanaged(managed.id, arn=foreign.arn, **both))
    of_foreign = refused(lambda: policies.update_managed(foreign.id, permissions=[], **both))
    assert (of_managed, of_foreign) == (("id", "PolicyIsManaged"), ("id", "PolicyIsUnmanaged"))
    assert policies.list() == before


def test_a_bucket_names_its_policies_and_roles_to_admins(catalog: Calling, making: Making) -> None:
    """A bucket's policies and roles are visible to admins and forbidden to others."""
    role = making.role(Permission.read(PRIVATE))
    query = "query Q($n: String!) { bucketConfig(name: $n) { associatedPolicies { level policy { roles { name } } }"
    query += " associatedRoles { level role { ... on ManagedRole { name } } } } }"
    found = catalog.data(query, {"n": PRIVATE}, user="test-admin")["bucketConfig"]
    assert {"level": "READ", "policy": {"roles": [{"name": role.name}]}} in found["associatedPolicies"]
    assert found["associatedRoles"][0] == {"level": "READ_WRITE", "role": {"name": "admin"}}
    assert {"level": "READ", "role": {"name": role.name}} in found["associatedRoles"]
    assert catalog.post(query, {"n": DATA}).status_code == 403
