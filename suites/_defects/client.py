"""Breaks the client library as `NIGHTPROOF_CLIENT_DEFECT` says; loaded with `-p suites._defects.client`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from nightproof import quilt
from nightproof.quilt.catalog import Catalog
from nightproof.quilt.records import Catalog_Config
from nightproof.quilt.validation import Rules
from suites._defects import harness
from suites._defects import tables

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from nightproof.quilt.base import CatalogOps

VARIABLE: Final = "NIGHTPROOF_CLIENT_DEFECT"
ENDLESS_S: Final = 600
SHORT_S: Final = 30


def pytest_configure(config: pytest.Config) -> None:
    """Install the defect in this process, and in the processes of the isolated steps."""
    from suites._support import isolated  # noqa: PLC0415 - a plugin is loaded before the suite

    name = os.environ[VARIABLE]
    if name in harness.DEFECTS:
        config.pluginmanager.register(harness.DEFECTS[name](), name)
        return
    backend = config.getoption("backend")
    install(name, backend if isinstance(backend, str) else "", setattr)
    isolated.SCRIPT = Path(__file__).with_name("step.py")  # type: ignore[misc]  # only in the proof of the suites


def install(name: str, backend: str, put: Callable[[Any, str, Any], None]) -> None:
    """Install a defect by name; `put(owner, attribute, value)` sets an attribute of a class."""
    if backend == "quilt3":
        from nightproof.quilt.quilt3_backend import Quilt3Ops as Ops  # noqa: PLC0415 - quilt3 fixes its paths at import
    else:
        from nightproof.quilt.platform_backend import PlatformOps as Ops  # type: ignore[assignment]  # noqa: PLC0415
    if name in OF_RULES:
        owner, method, broken = OF_RULES[name]
        put(owner, method, broken)
    if name in OF_OPERATIONS:
        method, change = OF_OPERATIONS[name]
        put(Ops, method, change(getattr(Ops, method)))
    if name in OF_WRITES:
        method = "_answer_s" if backend == "quilt3" else "_construct"
        put(Ops, method, _limiting(backend, getattr(Ops, method), OF_WRITES[name]))


def _entries_unchecked(_rules: Rules, entries: list[dict[str, Any]], **_: Any) -> list[dict[str, Any]]:
    return [{"logical_key": "x", "physical_key": "s3://b/k", "meta": None} | entry for entry in entries]


def _skips_path_check(original: Callable[..., Any]) -> Callable[..., Any]:
    def get_content_url(ops: CatalogOps, name: str, registry: str, path: str, *rest: Any, **more: Any) -> Any:
        try:
            return original(ops, name, registry, path, *rest, **more)
        except quilt.ValidationError:
            return f"{ops.catalog.url}/{path}"

    return get_content_url


def _first_file_for_missing_path(original: Callable[..., Any]) -> Callable[..., Any]:
    def get_content_url(ops: CatalogOps, name: str, registry: str, path: str, *rest: Any, **more: Any) -> Any:
        try:
            return original(ops, name, registry, path, *rest, **more)
        except quilt.NotFoundError:
            files = [item.path for item in ops.browse_content(name, registry) if item.type == "file"]
            return original(ops, name, registry, files[0], *rest, **more)

    return get_content_url


def _accepts_bad_service(original: Callable[..., Any]) -> Callable[..., Any]:
    def get_boto3_client(ops: CatalogOps, service_name: str, region: str | None = None) -> Any:
        try:
            return original(ops, service_name, region)
        except quilt.ValidationError:
            return original(ops, "s3", region)

    return get_boto3_client


def _timeout_ignored(original: Callable[..., Any]) -> Callable[..., Any]:
    def execute_graphql_query(ops: CatalogOps, *arguments: Any, **more: Any) -> Any:
        return original(ops, *arguments, **(more | {"timeout_s": None}))

    return execute_graphql_query


def _limiting(backend: str, original: Callable[..., Any], change: Callable[[float], float]) -> Callable[..., Any]:
    """Change the time limit of a write, at the place where the backend looks it up."""

    def answer_s(ops: CatalogOps, operation: str) -> float:
        found: float = original(ops, operation)
        return change(found) if operation.endswith("_package_revision") else found

    def construct(ops: CatalogOps, *arguments: Any, **more: Any) -> Any:
        kept, ops.write_s = ops.write_s, change(ops.write_s)
        try:
            return original(ops, *arguments, **more)
        finally:
            ops.write_s = kept

    return answer_s if backend == "quilt3" else construct


def _short(seconds: float) -> float:
    return min(seconds, SHORT_S * float(os.environ.get("NIGHTPROOF_TIME_FACTOR", "1")))


def _always_timeout(error: quilt.BackendError, message: str, context: dict[str, Any]) -> None:
    quilt.QuiltOpsError.__init__(error, message, context | {"kind": "timeout"})


def _replaces_metadata(original: Callable[..., Any]) -> Callable[..., Any]:
    def update_package_revision(ops: CatalogOps, name: str, registry: str, *rest: Any, **more: Any) -> Any:
        present = ops.get_package_metadata(name, registry)
        given = more.get("metadata") or {}
        return original(ops, name, registry, *rest, **(more | {"metadata": dict.fromkeys(present) | given}))

    return update_package_revision


def _creates_missing(original: Callable[..., Any]) -> Callable[..., Any]:
    def update_package_revision(ops: CatalogOps, name: str, registry: str, entries: Any = None, **more: Any) -> Any:
        try:
            return original(ops, name, registry, entries, **more)
        except quilt.NotFoundError:
            return ops.create_package_revision(name, registry, entries or [], **more)

    return update_package_revision


def _swaps_direction(original: Callable[..., Any]) -> Callable[..., Any]:
    def diff_packages(ops: CatalogOps, *arguments: Any, **more: Any) -> Any:
        found = original(ops, *arguments, **more)
        return found | {"added": found["removed"], "removed": found["added"]}

    return diff_packages


def _missing_as_empty(original: Callable[..., Any]) -> Callable[..., Any]:
    def browse_content(ops: CatalogOps, *arguments: Any, **more: Any) -> Any:
        try:
            return original(ops, *arguments, **more)
        except quilt.NotFoundError:
            return []

    return browse_content


def _invents_config(original: Callable[..., Any]) -> Callable[..., Any]:
    def get_catalog_config(ops: CatalogOps, catalog_url: str) -> Any:
        try:
            return original(ops, catalog_url)
        except quilt.BackendError as error:
            if error.context["kind"] != "bad_config":
                raise
            known = {"region": "us-east-1", "stack_prefix": "quilt", "tabulator_data_catalog": "quilt-quilt-tabulator"}
            places = {"api_gateway_endpoint": catalog_url, "registry_url": catalog_url, "analytics_bucket": "quilt"}
            return Catalog_Config(**known, **places)

    return get_catalog_config


OF_RULES: Final[dict[str, tuple[type, str, Any]]] = {
    "client-ignores-missing-session": (Catalog, "has_credentials", True),
    "client-accepts-bad-package-name": (Rules, "name", lambda _rules, value, *_: value),
    "client-accepts-bad-entries": (Rules, "entries", _entries_unchecked),
    "client-calls-every-error-timeout": (quilt.BackendError, "__init__", _always_timeout),
}
OF_OPERATIONS: Final[dict[str, tuple[str, Callable[[Any], Any]]]] = {
    "client-skips-path-check": ("get_content_url", _skips_path_check),
    "client-first-file-for-missing-path": ("get_content_url", _first_file_for_missing_path),
    "client-accepts-bad-service": ("get_boto3_client", _accepts_bad_service),
    "client-invents-config": ("get_catalog_config", _invents_config),
    "client-timeout-ignored": ("execute_graphql_query", _timeout_ignored),
    "update-replaces-metadata": ("update_package_revision", _replaces_metadata),
    "update-creates-missing": ("update_package_revision", _creates_missing),
    "diff-swaps-direction": ("diff_packages", _swaps_direction),
    "browse-missing-as-empty": ("browse_content", _missing_as_empty),
    **tables.OF_OPERATIONS,
}
OF_WRITES: Final[dict[str, Callable[[float], float]]] = {
    "client-timeout-ignored": lambda _seconds: ENDLESS_S,
    "client-timeout-30s": _short,
}
DEFECTS: Final = tuple(sorted(OF_RULES | OF_OPERATIONS | OF_WRITES))
