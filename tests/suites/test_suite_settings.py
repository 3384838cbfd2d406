"""Which names of a listing the suite compares: all on an exact inventory, only its own on a shared target."""

from __future__ import annotations

import pytest

from suites._support.settings import Settings

NAMES = (
    "QUILT_TEST_CATALOG_URL", "QUILT_TEST_REGISTRY_URL", "QUILT_TEST_WORK_REGISTRY_URL", "QUILT_TEST_USER",
    "QUILT_TEST_ADMIN_USER", "QUILT_TEST_BUCKET_DATA", "QUILT_TEST_BUCKET_SCRATCH", "QUILT_TEST_BUCKET_PACKAGES",
    "QUILT_TEST_BUCKET_WORK", "QUILT_TEST_BUCKET_PERF", "QUILT_TEST_BUCKET_PRIVATE", "QUILT_TEST_BUCKET_WEST",
    "QUILT_TEST_GLUE_DATABASE", "NIGHTPROOF_SEEDS", "NIGHTPROOF_PLACEMENT",
)  # fmt: skip


@pytest.mark.parametrize(
    ("needs", "compared"),
    [("write,exact_inventory", ["a", "theirs", "b", "a"]), ("write", ["a", "b", "a"]), ("", ["a", "b", "a"])],
    ids=["exact", "shared", "read-only"],
)
def test_what_is_compared_depends_on_the_inventory(
    monkeypatch: pytest.MonkeyPatch, needs: str, compared: list[str]
) -> None:
    """Names of others are dropped unless the inventory is exact. Order and repetitions are kept."""
    for name in NAMES:
        monkeypatch.setenv(name, "x")
    monkeypatch.delenv("NIGHTPROOF_NEEDS", raising=False)
    if needs:  # an empty value is left out of a cell's environment
        monkeypatch.setenv("NIGHTPROOF_NEEDS", needs)
    assert Settings().ours(["a", "theirs", "b", "a"], {"a", "b", "c"}) == compared
