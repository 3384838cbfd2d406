"""Calls with an invalid argument: the operation, the value, and the field that the error must name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any

from suites._support.provoked import SIMPLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightproof.quilt import QuiltOps
    from suites._support.settings import Settings


@dataclass(frozen=True)
class Unfit:
    """One call that must be rejected before any request is sent."""

    operation: str
    act: Callable[[], object]
    field: str
    value: object
    index: int | None = None


def names(ops: QuiltOps, registry: str) -> list[Unfit]:
    """Return calls with eight invalid package names, one per operation that takes one."""
    takers: list[tuple[str, str, Callable[[str], object]]] = [
        ("get_package_info", "invalid-format", lambda name: ops.get_package_info(name, registry)),
        ("get_package_metadata", "a/b/c", lambda name: ops.get_package_metadata(name, registry)),
        ("list_package_revisions", "a.b/c", lambda name: ops.list_package_revisions(name, registry)),
        ("browse_content", "/x", lambda name: ops.browse_content(name, registry)),
        ("get_content_url", "x/", lambda name: ops.get_content_url(name, registry, "a")),
        ("create_package_revision", "a/b\n", lambda name: ops.create_package_revision(name, registry, [])),
        ("update_package_revision", "a b/c", lambda name: ops.update_package_revision(name, registry)),
        ("delete_package", f"{'n' * 250}/{'p' * 10}", lambda name: ops.delete_package(name, registry)),
    ]
    return [Unfit(taker, lambda a=act, n=name: a(n), "package_name", name) for taker, name, act in takers]  # type: ignore[misc]


def registries(ops: QuiltOps) -> list[Unfit]:
    """Return calls with four texts that are not registries."""
    texts = ("s3://bucket/key", "bucket", "s3://", "https://example.com")
    return [Unfit("list_all_packages", lambda r=text: ops.list_all_packages(r), "registry", text) for text in texts]  # type: ignore[misc]


def paths(ops: QuiltOps, registry: str) -> list[Unfit]:
    """Return calls with five texts that are not paths within a package."""
    texts = ("/a", "a//b", "../x", "a/./b", "a/..")
    return [
        Unfit("browse_content", lambda p=text: ops.browse_content(SIMPLE, registry, p), "path", text)  # type: ignore[misc]
        for text in texts
    ]


def entries(ops: QuiltOps, name: str, registry: str) -> list[Unfit]:
    """Return calls with five invalid object URIs, a missing one, two colliding keys and a field of no entry."""
    good = {"logical_key": "good.csv", "physical_key": "s3://bucket/good.csv"}
    uris = ("https://example.com/b.csv", "s3://bucket", "s3://bucket/", "s3://bucket/folder/", "bucket/b.csv")
    second: list[tuple[str, Any, dict[str, Any]]] = [
        ("physical_key", uri, {"logical_key": "b.csv", "physical_key": uri}) for uri in uris
    ]
    second += [
        ("physical_key", None, {"logical_key": "b.csv"}),
        ("logical_key", "good.csv", good),
        ("logical_key", "good.csv/b", good | {"logical_key": "good.csv/b"}),
        ("size", 5, good | {"logical_key": "b.csv", "size": 5}),
    ]
    create = ops.create_package_revision
    return [
        Unfit("create_package_revision", lambda e=entry: create(name, registry, [good, e]), field, value, 1)  # type: ignore[misc]
        for field, value, entry in second
    ]


def others(ops: QuiltOps, admin: QuiltOps, target: Settings, user: str) -> list[Unfit]:
    """Return calls with invalid hashes, search text, user name, roles and table name."""
    registry, email = target.registry, "a@example.org"
    short, odd = "abc12", "z" * 64
    return [
        Unfit("get_package_info", lambda: ops.get_package_info(SIMPLE, registry, short), "top_hash", short),
        Unfit("diff_packages", lambda: ops.diff_packages(SIMPLE, SIMPLE, registry, odd), "package1_hash", odd),
        Unfit("search_packages", lambda: ops.search_packages(" \t", registry), "query", " \t"),
        Unfit("admin.create_user", lambda: admin.admin.create_user("a user", email, "user"), "name", "a user"),
        Unfit("admin.add_user_roles", lambda: admin.admin.add_user_roles(user, []), "roles", []),
        Unfit(
            "create_tabulator_table", lambda: admin.create_tabulator_table(target.work, "a table", ""),
            "table_name", "a table",
        ),
    ]  # fmt: skip
