"""Roles: their list, their assignment to users, and their effect at S3."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from nightproof import quilt
from nightproof.evidence import case

if TYPE_CHECKING:
    from nightproof.quilt.admin_records import User
    from suites._support.people import People
    from suites._support.seeds import Seeds
    from suites._support.settings import Settings

JOURNEY = "administer"
NEEDS = ("admin", "write")


def roles_of(user: User) -> tuple[str | None, list[str]]:
    """Return a user's primary role and extra roles, by name."""
    return user.role.name if user.role else None, [role.name for role in user.extra_roles]


def write_code(ops: quilt.QuiltOps, bucket: str) -> str:
    """Return S3's error code for a write that must fail.

    No object has this ETag, so the write never succeeds. The code shows only whether the role may write.
    """
    with pytest.raises(ClientError) as caught:
        ops.get_boto3_client("s3").put_object(Bucket=bucket, Key="np-probe/none", IfMatch='"0"', Body=b"x")
    return caught.value.response["Error"]["Code"]


@case(tier="high", category="admin", needs=("admin",), journey=JOURNEY)
def test_list_roles(admin_ops: quilt.QuiltOps, seeds: Seeds, target: Settings) -> None:
    """The seeded roles are listed by name and type, with stable ids."""
    expected = {role["name"]: "managed" if role["managed"] else "unmanaged" for role in seeds.manifest["roles"]}
    listed = admin_ops.admin.list_roles()
    ours = target.ours([role.name for role in listed], expected.keys())
    assert ours == sorted(expected)
    found = [role for role in listed if role.name in expected]
    assert {role.name: role.type for role in found} == expected
    assert all(role.id and role.arn for role in found)
    assert len({role.id for role in found}) == len({role.arn for role in found}) == len(expected)
    assert [role for role in admin_ops.admin.list_roles() if role.name in expected] == found


@case(tier="critical", category="admin", needs=(*NEEDS, "mint_jwt"), journey=JOURNEY)
def test_set_primary_role(admin_ops: quilt.QuiltOps, people: People, target: Settings, backend: str) -> None:
    """A new primary role is stored and takes effect at S3; a missing role changes nothing."""
    name = people.create("primary").name
    assert write_code(people.sign_in(name), target.perf) == "AccessDenied"
    assert roles_of(admin_ops.admin.set_user_role(name, "power-user")) == ("power-user", [])
    assert roles_of(admin_ops.admin.get_user(name)) == ("power-user", [])
    assert write_code(people.sign_in(name), target.perf) == "NoSuchKey"
    with pytest.raises(quilt.QuiltOpsError) as caught:
        admin_ops.admin.set_user_role(name, "emperor")
    assert type(caught.value) is quilt.NotFoundError
    assert caught.value.context == {
        "backend_type": backend,
        "operation": "admin.set_user_role",
        "resource_type": "role",
        "identifier": "emperor",
        "search_location": "catalog",
    }
    assert roles_of(admin_ops.admin.get_user(name)) == ("power-user", [])


@case(tier="high", category="admin", needs=NEEDS, journey=JOURNEY)
def test_add_extra_roles(admin_ops: quilt.QuiltOps, people: People) -> None:
    """Adding extra roles is idempotent."""
    name = people.create("extra").name
    for _ in range(2):
        assert roles_of(admin_ops.admin.add_user_roles(name, ["analyst", "viewer"])) == ("user", ["analyst", "viewer"])
        assert roles_of(admin_ops.admin.get_user(name)) == ("user", ["analyst", "viewer"])
    assert roles_of(admin_ops.admin.add_user_roles(name, ["editor"])) == ("user", ["analyst", "editor", "viewer"])


@case(tier="high", category="admin", needs=NEEDS, journey=JOURNEY)
def test_remove_extra_role(admin_ops: quilt.QuiltOps, people: People) -> None:
    """Removing an extra role keeps the others."""
    name = people.create("less", extra_roles=["analyst", "viewer"]).name
    assert roles_of(admin_ops.admin.remove_user_roles(name, ["analyst"])) == ("user", ["viewer"])
    assert roles_of(admin_ops.admin.get_user(name)) == ("user", ["viewer"])


@case(tier="high", category="admin", needs=NEEDS, journey=JOURNEY)
def test_remove_role_with_fallback(admin_ops: quilt.QuiltOps, people: People) -> None:
    """The primary role can be removed only if a fallback role replaces it."""
    name = people.create("fallback").name
    with pytest.raises(quilt.QuiltOpsError) as caught:
        admin_ops.admin.remove_user_roles(name, ["user"])
    assert type(caught.value) is quilt.ValidationError
    assert roles_of(admin_ops.admin.get_user(name)) == ("user", [])
    assert roles_of(admin_ops.admin.remove_user_roles(name, ["user"], fallback="viewer")) == ("viewer", [])
    assert roles_of(admin_ops.admin.get_user(name)) == ("viewer", [])


@case(tier="high", category="admin", needs=NEEDS, journey=JOURNEY)
def test_set_role_with_append(admin_ops: quilt.QuiltOps, people: People) -> None:
    """With append, extra roles are kept and the old primary role is dropped; without it, extra roles are replaced."""
    name = people.create("append", extra_roles=["viewer"]).name
    admin_ops.admin.set_user_role(name, "analyst", ["editor"], append=True)
    assert roles_of(admin_ops.admin.get_user(name)) == ("analyst", ["editor", "viewer"])
    admin_ops.admin.set_user_role(name, "analyst", ["editor"])
    assert roles_of(admin_ops.admin.get_user(name)) == ("analyst", ["editor"])
