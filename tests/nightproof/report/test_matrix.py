"""The support matrix as people read it: every writer shows the same cells, and none without a matrix."""

from __future__ import annotations

from dataclasses import replace

from nightproof.report import html
from nightproof.report import markdown
from nightproof.report import matrix
from nightproof.report import text
from nightproof.side_by_side import Support
from nightproof.side_by_side import SupportRow
from nightproof.verdict.assemble import CellFacts
from nightproof.verdict.assemble import build_report
from nightproof.verdict.catalogue import CatalogueTest
from tests.golden import samples

ROW = SupportRow("s", "c", None, "b", Support.PASS, 3, 3, 0, 1.25, 84.4)


def two_backends(*names: str) -> CellFacts:
    """Return a suite of another team with two backends, of which the second lacks a category."""
    tests = {f"shop/test_a::{name}": CatalogueTest(f"shop/test_a::{name}", category=name) for name in names}
    return CellFacts("shop", "fast" if len(names) > 1 else "slow", tests)


def test_cell_says_counts_times_and_slowness() -> None:
    """A cell shows unsupported tests beside the count; a slow server is a remark, not a status."""
    assert (matrix.counted(ROW), matrix.timed(ROW)) == ("3/3", "median 1.2 s, worst answer 84 ms")
    slow = replace(ROW, unsupported=1, worst_server_ms=35200.0)
    assert (matrix.counted(slow), matrix.timed(slow)) == (
        "3/3 + 1 unsupported",
        "median 1.2 s, slow: worst answer 35.2 s",
    )
    assert matrix.timed(replace(ROW, median_s=None, worst_server_ms=None)) == ""


def test_suite_without_quilt_names_no_difference_of_quilt() -> None:
    """Two backends of another team are compared without the differences that QuiltOps allows."""
    cells = (two_backends("basket", "price"), two_backends("basket"))
    report = build_report(replace(samples.foreign(), cells=cells))
    (table,) = matrix.several(report)
    assert (table.backends, table.allowed) == (("fast", "slow"), ())
    assert [name for name, _ in table.categories] == ["basket", "price"]
    page, lines = html.render(report), markdown.render(report)
    assert "none declared" in page
    assert "none declared" in lines
    assert "contract allows" not in page + lines
    assert "nothing compared" in page
    assert "support of shop, by category: fast 2 not run; slow 1 not run" in text.render(report)


def test_suite_without_tests_has_no_matrix() -> None:
    """A suite without tests has no matrix."""
    cells = tuple(replace(two_backends("basket"), backend=name, tests={}) for name in ("fast", "slow"))
    report = build_report(replace(samples.foreign(), cells=cells))
    assert matrix.several(report) == ()
    assert "Support matrix" not in html.render(report) + markdown.render(report)


def test_reasons_are_told_in_their_sentence() -> None:
    """A reason id is shown with its sentence; a need of the target is shown as it is."""
    report = build_report(samples.green())
    assert matrix.reasons(report) == [("local-session: A session in local files exists only in the quilt3 client.", 1)]
    assert matrix.reasons(build_report(samples.foreign())) == [("needs mailbox", 1)]
