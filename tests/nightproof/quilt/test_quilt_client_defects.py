"""Client-side defects of the suites: each changes the client's answer, and only where it should."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING
from typing import Final

import pytest

from nightproof import quilt
from suites._defects.client import DEFECTS
from suites._defects.client import install

if TYPE_CHECKING:
    from tests.nightproof.quilt.conftest import Versions
    from tests.nightproof.quilt.conftest import World

BUCKET: Final = "quilt-mcp-test-work"
REGISTRY: Final = f"s3://{BUCKET}"
LIMIT_S: Final = 0.3
STALL_S: Final = 1.0  # the catalog's delay where only a time limit ends the call
SLOW_S: Final = 2.0  # boto3 waits a second for `100 Continue` before a body, whatever its limit
BAD_ENTRIES: Final = [{"physical_key": "s3://b/k"}, {"physical_key": "s3://b/k"}]


def error_of(act: Callable[[], object]) -> str:
    """Return class and words of the error that an operation raises, or nothing."""
    try:
        act()
    except (quilt.QuiltOpsError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


Probe = Callable[[quilt.QuiltOps, str, "Versions"], object]

PROBES: Final[dict[str, Probe]] = {
    "client-accepts-bad-package-name": lambda ops, _t, _v: error_of(lambda: ops.get_package_info("x", REGISTRY)),
    "client-accepts-bad-entries": lambda ops, _t, _v: error_of(
        lambda: ops.create_package_revision("defect/entries", REGISTRY, BAD_ENTRIES)
    ),
    "client-accepts-bad-service": lambda ops, _t, _v: error_of(lambda: ops.get_boto3_client("nonsense")),
    "client-skips-path-check": lambda ops, tree, _v: error_of(lambda: ops.get_content_url(tree, REGISTRY, "data")),
    "client-first-file-for-missing-path": lambda ops, tree, _v: error_of(
        lambda: ops.get_content_url(tree, REGISTRY, "missing.txt")
    ),
    "client-timeout-ignored": lambda ops, _t, _v: error_of(
        lambda: ops.execute_graphql_query("query SlowProbe { me { name } }", timeout_s=LIMIT_S)
    ),
    "client-calls-every-error-timeout": lambda ops, _t, _v: _kind(lambda: ops.get_catalog_config("http://127.0.0.1:9")),
    "tabulator-missing-as-empty": lambda ops, _t, _v: error_of(lambda: ops.get_tabulator_table(BUCKET, "none")),
    "tabulator-delete-missing-ok": lambda ops, _t, _v: error_of(lambda: ops.delete_tabulator_table(BUCKET, "none")),
    "client-skips-table-check": lambda ops, _t, _v: error_of(lambda: ops.update_tabulator_table(BUCKET, "none", "x")),
    "update-replaces-metadata": lambda ops, _t, _v: _updated(ops),
    "update-creates-missing": lambda ops, _t, _v: error_of(
        lambda: ops.update_package_revision(f"defect/{type(ops).__name__}-missing", REGISTRY, [])
    ),
    "diff-swaps-direction": lambda ops, _t, v: ops.diff_packages(v.name, v.name, REGISTRY, v.first)["added"],
    "browse-missing-as-empty": lambda ops, tree, _v: error_of(lambda: ops.browse_content(tree, REGISTRY, "missing/")),
}


def _kind(act: Callable[[], object]) -> str:
    with pytest.raises(quilt.BackendError) as caught:
        act()
    return str(caught.value.context["kind"])


def _updated(ops: quilt.QuiltOps) -> object:
    name = f"defect/{type(ops).__name__}-metadata"
    if error_of(lambda: ops.get_package_info(name, REGISTRY)):
        ops.create_package_revision(name, REGISTRY, [], metadata={"keep": 1})
    ops.update_package_revision(name, REGISTRY, metadata={"more": 2})
    return ops.get_package_metadata(name, REGISTRY)


def test_every_defect_has_a_probe() -> None:
    """Every client defect has a probe."""
    others = ["client-ignores-missing-session", "client-invents-config", "client-timeout-30s"]
    assert sorted([*PROBES, *others]) == sorted(DEFECTS)


@pytest.mark.parametrize("name", PROBES)
def test_a_defect_changes_the_answer(
    ops: quilt.QuiltOps,
    backend: str,
    tree: str,
    versions: Versions,
    monkeypatch: pytest.MonkeyPatch,
    fault: Callable[..., None],
    name: str,
) -> None:
    """Every defect changes the client's answer."""
    fault("latency", operation="SlowProbe", seconds=STALL_S)
    sound = PROBES[name](ops, tree, versions)
    install(name, backend, monkeypatch.setattr)
    assert PROBES[name](ops, tree, versions) != sound


def test_a_missing_session_may_be_ignored(world: World, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With this defect, an instance without credentials is constructed without an error."""
    assert error_of(lambda: world.make(backend, credentials=None)).startswith("AuthenticationError")
    install("client-ignores-missing-session", backend, monkeypatch.setattr)
    assert error_of(lambda: world.make(backend, credentials=None)) == ""


def test_a_configuration_may_be_invented(
    world: World, backend: str, fault: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With this defect, a missing field in the catalog's configuration raises no error."""
    ops, url = world.make(backend), world.target.catalog_url
    fault("config-drops-analytics-bucket")
    assert error_of(lambda: ops.get_catalog_config(url)).startswith("BackendError")
    install("client-invents-config", backend, monkeypatch.setattr)
    assert error_of(lambda: ops.get_catalog_config(url)) == ""


def test_a_write_may_end_after_thirty_seconds(
    world: World, ops: quilt.QuiltOps, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With this defect a write ends after 30 s, although the sound client would wait longer."""
    monkeypatch.setenv("NIGHTPROOF_TIME_FACTOR", "0.01")  # 30 s become 0.3 s

    def create() -> str:
        return error_of(lambda: ops.create_package_revision(f"defect/limit-{uuid.uuid4().hex}", REGISTRY, []))

    with world.slow_writes(backend, SLOW_S):
        assert create() == ""
        install("client-timeout-30s", backend, monkeypatch.setattr)
        assert "within 0.3 s" in create()
