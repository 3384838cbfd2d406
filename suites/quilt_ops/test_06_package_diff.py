"""Differences between two revisions or two packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nightproof import quilt
from nightproof.evidence import case
from nightproof.evidence import observe

if TYPE_CHECKING:
    from suites._support.control import CallLog
    from suites._support.seeds import Seeds

JOURNEY = "browse-data"
SIMPLE = "test-user/simple-csv"
VERSIONED = "test-user/versioned-data"
ZEROS = "0" * 64


@case(tier="critical", category="diff", journey=JOURNEY)
def test_diff_two_versions(quilt_ops: quilt.QuiltOps, test_registry: str, seeds: Seeds) -> None:
    """A diff of two revisions lists added, removed and modified files, and is reversed with its arguments."""
    v1, v2 = seeds.top_hash(VERSIONED, "v1"), seeds.top_hash(VERSIONED, "v2")
    forward = quilt_ops.diff_packages(VERSIONED, VERSIONED, test_registry, v1, v2)
    assert forward == {
        "added": ["data/file4.csv"],
        "removed": ["data/file5.csv"],
        "modified": ["data/file1.csv"],
    }
    assert quilt_ops.diff_packages(VERSIONED, VERSIONED, test_registry, v2, v1) == {
        "added": ["data/file5.csv"],
        "removed": ["data/file4.csv"],
        "modified": ["data/file1.csv"],
    }
    observe("diff", forward)


@case(tier="high", category="diff", journey=JOURNEY)
def test_diff_two_packages(quilt_ops: quilt.QuiltOps, test_registry: str, seeds: Seeds) -> None:
    """A diff of two packages compares their newest revisions."""
    found = quilt_ops.diff_packages("test-user/package-a", "test-user/package-b", test_registry)
    assert found == {"added": ["only_b.csv"], "removed": ["only_a.csv"], "modified": ["shared_changed.csv"]}
    assert found == seeds.manifest["diff"]["a_b"]
    observe("diff", found)


@case(tier="high", category="diff", needs=("call_log",), journey=JOURNEY)
def test_diff_with_itself(
    quilt_ops: quilt.QuiltOps, test_registry: str, seeds: Seeds, call_log: CallLog, backend: str
) -> None:
    """A revision does not differ from itself, and the diff still reads both sides."""
    nothing: dict[str, list[str]] = {"added": [], "removed": [], "modified": []}
    service, word = ("aws", "getobject") if backend == "quilt3" else ("catalog", "getpackage")

    def reads() -> int:
        return sum(word in call.operation.lower() for call in call_log.calls(service))

    assert quilt_ops.browse_content(SIMPLE, test_registry) != []
    of_one = reads() if backend == "quilt3" else 1  # quilt3 reads pointer and manifest with the same operation
    before = reads()
    assert quilt_ops.diff_packages(SIMPLE, SIMPLE, test_registry) == nothing
    assert reads() - before == 2 * of_one
    assert quilt_ops.diff_packages(SIMPLE, SIMPLE, test_registry, None, seeds.top_hash(SIMPLE)) == nothing
    assert reads() - before == 4 * of_one


@case(tier="high", category="diff", journey=JOURNEY)
def test_diff_invalid_hash(quilt_ops: quilt.QuiltOps, test_registry: str, backend: str) -> None:
    """A malformed hash is rejected by field and value, and an unknown hash is not found."""
    for bad in ("invalid-hash-123", "abc"):
        with pytest.raises(quilt.ValidationError) as caught:
            quilt_ops.diff_packages(SIMPLE, SIMPLE, test_registry, bad)
        assert caught.type is quilt.ValidationError
        rule = caught.value.context["validation_rule"]
        assert "hex" in rule
        assert caught.value.context == {
            "backend_type": backend,
            "operation": "diff_packages",
            "field_name": "package1_hash",
            "field_value": bad,
            "validation_rule": rule,
        }
    with pytest.raises(quilt.NotFoundError) as unknown:
        quilt_ops.diff_packages(SIMPLE, SIMPLE, test_registry, ZEROS)
    assert unknown.type is quilt.NotFoundError
    assert unknown.value.context == {
        "backend_type": backend,
        "operation": "diff_packages",
        "resource_type": "package",
        "identifier": f"{SIMPLE}@{ZEROS}",
        "search_location": test_registry,
    }
