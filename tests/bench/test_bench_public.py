"""The comparison with plain pytest agrees where the results agree, and finds planted differences."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Final

import pytest

from bench import public_suites
from bench.suite_comparison import Side
from bench.suite_comparison import compare
from bench.suite_comparison import row
from nightproof.records import Verdict
from nightproof.verdict import outcomes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Sequence
    from pathlib import Path

    from nightproof.records import TestVerdict
    from nightproof.runner.events import CellEvents
    from nightproof.verdict.catalogue import CatalogueTest

TESTS: Final = """
import pytest

def test_passes():
    assert len("a") == 1

def test_fails():
    assert len("a") == 2

@pytest.fixture
def broken():
    raise OSError("no disk")

def test_errs(broken):
    assert len("a") == 1

@pytest.mark.skip(reason="not here")
def test_skipped():
    assert len("a") == 2

@pytest.mark.xfail(reason="known")
def test_expected():
    assert len("a") == 2
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Return a suite with a test of every outcome, laid out like a library's source archive."""
    folder = tmp_path / "tiny-1.0" / "tests"
    folder.mkdir(parents=True)
    (folder.parent / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_tiny.py").write_text(TESTS)
    return folder


def run(monkeypatch: pytest.MonkeyPatch, suite: Path, *options: str) -> tuple[int, dict[str, object]]:
    """Run the command; return its exit code and the one comparison that it wrote."""
    out = suite.parent / "found.json"
    monkeypatch.setattr(sys, "argv", ["public_suites", str(suite), "--rounds", "1", "--json", str(out), *options])
    code = public_suites.main()
    (found,) = json.loads(out.read_text())
    return code, found


def test_every_end_agrees_with_plain_pytest(
    monkeypatch: pytest.MonkeyPatch, suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pass, failure, error, skip and expected failure agree with plain pytest, and the table shows it."""
    _, found = run(monkeypatch, suite)
    assert (found["suite"], found["version"], found["tests"], found["agree"]) == ("tiny", "1.0", 5, 5)
    assert found["disagreements"] == []
    assert found["hollow"] == 1
    assert "| tiny | 1.0 | 5 | 5 | 0 | 0 | 1 | 0 |" in capsys.readouterr().out


def test_a_planted_disagreement_is_found(
    monkeypatch: pytest.MonkeyPatch, suite: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A judge that passes a failed test is found by test and kind, and the command exits 1."""
    honest = outcomes.judge

    def lenient(
        suite: str, backend: str, tests: Mapping[str, CatalogueTest], events: CellEvents | None
    ) -> Sequence[TestVerdict]:
        verdicts = honest(suite, backend, tests, events)
        return [replace(one, verdict=Verdict.PASSED) if one.id.endswith("::test_fails") else one for one in verdicts]

    monkeypatch.setattr(outcomes, "judge", lenient)
    code, found = run(monkeypatch, suite)
    assert code == 1
    assert found["kinds"] == {"failed → passed": 1}
    assert "tests/test_tiny::test_fails: failed in plain pytest, passed here" in capsys.readouterr().out


def test_only_the_files_that_are_asked_for_run(monkeypatch: pytest.MonkeyPatch, suite: Path) -> None:
    """`--only` runs the same files on both sides."""
    (suite / "test_other.py").write_text("def test_other():\n    assert len('a') == 1\n")
    _, found = run(monkeypatch, suite, "--only", "test_other.py")
    assert (found["tests"], found["agree"]) == (1, 1)


def side(**ends: str) -> Side:
    """Return a run of 1 s with these outcomes."""
    return Side(ends, {}, 1.0, 1.0, 1.0)


def test_a_test_that_plain_pytest_ends_in_two_ways_is_counted_apart() -> None:
    """A test that is unstable in plain pytest counts neither as agreement nor as disagreement."""
    found = compare("s", "1", [side(a="passed"), side(a="failed")], [side(a="failed"), side(a="failed")], {})
    assert (found.agree, found.unstable, found.disagreements) == (0, ("a",), ())


def test_one_bad_round_of_ours_is_a_disagreement() -> None:
    """If plain pytest is stable, every round of ours must agree with it."""
    found = compare("s", "1", [side(a="passed")] * 2, [side(a="hollow"), side(a="error")], {})
    assert [(one.plain, one.ours) for one in found.disagreements] == [("passed", "error")]


def test_a_test_that_one_side_alone_knows_is_a_disagreement() -> None:
    """A test that only one side has is a disagreement."""
    found = compare("s", "1", [side(a="passed")], [side(b="hollow")], {})
    assert found.kinds == {"passed → absent": 1, "absent → hollow": 1}


def test_a_hollow_test_that_asked_another_process_is_told() -> None:
    """A hollow test that sent requests to another process is reported."""
    found = compare("s", "1", [side(a="passed")], [side(a="hollow")], {"a": ("10.0.0.1:80",)})
    assert found.broken == ("a: hollow, though it asked 10.0.0.1:80: right only where no answer came",)


@pytest.mark.parametrize(
    ("tests_s", "more_s", "is_broken"), [(0.01, 0.001, False), (0.01, 0.003, True), (1.0, 0.1, False), (1.0, 0.5, True)]
)
def test_the_limit_of_overhead_depends_on_how_long_tests_take(
    tests_s: float, more_s: float, *, is_broken: bool
) -> None:
    """A short test may take up to 2 ms more, a long one up to 1.3 times as long."""
    plain = Side({"a": "passed"}, {}, tests_s, tests_s, tests_s)
    ours = Side({"a": "passed"}, {}, tests_s + more_s, tests_s + more_s, 0)
    found = compare("s", "1", [plain], [ours], {})
    assert bool(found.broken) is is_broken
    assert row(found)[-1] == f"{1000 * more_s:.2f}"
