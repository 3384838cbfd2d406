"""The manifest's buckets, roles, users and tables, compared with the running systems."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nightproof import seeds
from nightproof.datasets.inventory import inventory
from nightproof.datasets.manifest import read_manifest
from nightproof.profile import Names

if TYPE_CHECKING:
    from nightproof.datasets.push import Catalog
    from nightproof.target import Target

NAMES = Names()


@pytest.fixture(scope="module")
def catalog(embedded: Target) -> Catalog:
    """Sign in as the admin."""
    return seeds._sign_in(embedded)


def test_the_manifest_holds_the_inventory() -> None:
    """The committed sections equal those that the code generates."""
    tables = read_manifest()["tables"]
    stated = read_manifest() | {"tables": {name: table for name, table in tables.items() if "database" in table}}
    for section, content in inventory(NAMES).items():
        assert stated[section] == content, section


def test_buckets_are_as_stated(embedded: Target, catalog: Catalog) -> None:
    """Each bucket has its region, versioning and relevance."""
    s3 = embedded.seeder_s3()
    answer = catalog.ask("query { bucketConfigs { name relevanceScore } }", {})["bucketConfigs"]
    relevance = {bucket["name"]: bucket["relevanceScore"] for bucket in answer}
    found = {
        name: {
            "region": s3.head_bucket(Bucket=name)["BucketRegion"],
            "versioning": s3.get_bucket_versioning(Bucket=name).get("Status") == "Enabled",
            "relevance": relevance[name],
        }
        for name in relevance
    }
    assert found == read_manifest()["buckets"]


def test_users_are_as_stated(catalog: Catalog) -> None:
    """Each user has its address, role and rights; other users may exist."""
    query = """query { admin { user { list { name email isAdmin isService
        role { ... on ManagedRole { name } ... on UnmanagedRole { name } } } } } }"""
    found = {
        user["name"]: {
            "name": user["name"], "email": user["email"], "role": user["role"]["name"],
            "is_admin": user["isAdmin"], "is_service": user["isService"],
        }
        for user in catalog.ask(query, {})["admin"]["user"]["list"]
    }  # fmt: skip
    stated = {user["name"]: user for user in read_manifest()["users"]}
    assert len(stated) == 4
    assert {name: found[name] for name in stated} == stated


def test_roles_are_as_stated(catalog: Catalog) -> None:
    """Each role has its kind, and its readable and writable buckets."""
    query = """query { roles { __typename ... on UnmanagedRole { name }
        ... on ManagedRole { name permissions { level bucket { name } } } } }"""
    found = {role["name"]: role for role in catalog.ask(query, {})["roles"]}
    stated = read_manifest()["roles"]
    assert [role["name"] for role in stated] == sorted(
        ["admin", "analyst", "editor", "power-user", "service", "user", "viewer"]
    )
    for role in stated:
        real = found[role["name"]]
        assert real["__typename"] == ("ManagedRole" if role["managed"] else "UnmanagedRole")
        if role["managed"]:
            may = {grant["bucket"]["name"]: grant["level"] for grant in real["permissions"]}
            assert sorted(may) == role["read"], role["name"]
            assert sorted(name for name, level in may.items() if level == "READ_WRITE") == role["write"], role["name"]


def test_the_table_is_as_stated(embedded: Target) -> None:
    """The Glue table has its location and columns."""
    name, stated = "test_table_1", read_manifest()["tables"]["test_table_1"]
    glue = embedded.aws_client("glue", "ci-seeder")
    storage = glue.get_table(DatabaseName=stated["database"], Name=name)["Table"]["StorageDescriptor"]
    assert storage["Location"] == stated["location"]
    assert [[column["Name"], column["Type"]] for column in storage["Columns"]] == stated["columns"]
