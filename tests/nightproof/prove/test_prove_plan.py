"""The plan of a proof: one unit per defect and backend, narrowed as the caller asks."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from nightproof.errors import UsageError
from nightproof.prove.plan import Selection
from nightproof.prove.plan import Unit
from nightproof.prove.plan import baselines
from nightproof.prove.plan import draw
from nightproof.prove.plan import plan_proof

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.nightproof.prove.conftest import Proving

FACTOR = 0.25
LATE = """
[defect.late]
places = ["catalog"]
seconds = 8
kills.all = ["test_it::test_is_blind"]
[defect.wrong]
places = ["catalog"]
kills.all = ["test_it::test_names_a_bucket", "test_it::test_is_blind"]
"""
UNSUPPORTED = """
from nightproof.evidence import case
@case(unsupported={"quilt3": "why"})
def test_is_blind(): pass
"""


def shown(units: Iterable[Unit]) -> set[tuple[str, str, int]]:
    """Return defect, backend and number of tests of each unit."""
    return {(unit.defect.name if unit.defect else "", unit.cell.backend, len(unit.tests)) for unit in units}


def test_a_unit_is_a_defect_on_a_backend(proving: Proving) -> None:
    """A plan has one unit per defect and backend; tests that no suite has are absent."""
    proof = plan_proof(proving.profile, Selection(), FACTOR)
    assert shown(proof.units) == {
        ("config-drops-analytics-bucket", "platform", 3), ("config-drops-analytics-bucket", "quilt3", 3),
        ("client-breaks-all", "platform", 1), ("no-server-knows-this", "platform", 1),
    }  # fmt: skip
    assert [(ask.test, ask.backend) for ask in proof.absent] == [("shop/test_it::test_to_be_written", "platform")]


def test_a_selection_narrows_defects_and_backends(proving: Proving) -> None:
    """A selection of defects and one of backends apply together."""
    chosen = Selection(defects=("client-breaks-all", "config-drops-analytics-bucket"), backends=("quilt3",))
    assert shown(plan_proof(proving.profile, chosen, FACTOR).units) == {("config-drops-analytics-bucket", "quilt3", 3)}


def test_a_selection_narrows_tests(proving: Proving) -> None:
    """A selection of tests applies to absent tests too."""
    proof = plan_proof(proving.profile, Selection(test="blind$", backends=("platform",)), FACTOR)
    assert {unit.tests for unit in proof.units} == {("shop/test_it::test_is_blind",)}
    assert proof.absent == ()


def test_a_sample_is_drawn_by_its_seed() -> None:
    """The same seed draws the same sample, another seed a different one, and never more than all."""
    names = ["a", "b", "c", "d"]
    assert draw(names, 2, 1) == draw(names, 2, 1)
    assert len({draw(names, 2, seed) for seed in range(20)}) > 1
    assert draw(names, 9, 1) == frozenset(names)


def test_an_unknown_defect_is_wrong_usage(proving: Proving) -> None:
    """An unknown defect is a UsageError that suggests the nearest name."""
    with pytest.raises(UsageError, match=r"No table names the defect `client-break-all`. Did you mean `client-breaks-"):
        plan_proof(proving.profile, Selection(defects=("client-break-all",)), FACTOR)


def test_only_latency_defects_get_the_small_time_factor(proving: Proving) -> None:
    """Only latency defects run at the small time factor, and each factor has its own baseline."""
    proving.write(LATE)
    units = plan_proof(proving.profile, Selection(backends=("quilt3",)), FACTOR).units
    assert {(unit.defect.name, unit.factor) for unit in units if unit.defect} == {("late", FACTOR), ("wrong", 1.0)}
    assert [(unit.factor, len(unit.tests), unit.defect) for unit in baselines(units)] == [
        (FACTOR, 1, None),
        (1.0, 2, None),
    ]


def test_what_is_unsupported_by_design_is_not_asked(proving: Proving) -> None:
    """A test unsupported by design is neither run nor absent."""
    proving.write(LATE, UNSUPPORTED, ("test_is_blind",))
    proof = plan_proof(proving.profile, Selection(defects=("late",)), FACTOR)
    assert shown(proof.units) == {("late", "platform", 1)}
    assert proof.absent == ()


def test_a_star_is_every_test_that_asks_its_subject_anything(proving: Proving) -> None:
    """`*` selects every test except those with `wire="none"`."""
    tests = """
    from nightproof.evidence import case
    @case(wire="none", wire_reason="why")
    def test_is_silent(): pass
    def test_is_blind(): pass
    """
    proving.write('[defect.null]\nplaces = ["catalog"]\nkills.platform = ["*"]\n', dedent(tests), ("test_is_blind",))
    (unit,) = plan_proof(proving.profile, Selection(), FACTOR).units
    assert unit.tests == ("shop/test_it::test_is_blind",)
