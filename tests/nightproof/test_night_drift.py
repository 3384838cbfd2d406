"""A suite that has more tests than its lock: blocked by name, while the other suites of the night run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nightproof.night import open_night
from nightproof.plan import Choice
from nightproof.records import Colour
from nightproof.records import Verdict
from nightproof.verdict.catalogue import collect
from nightproof.verdict.catalogue import write_lock
from tests.nightproof.foreign import HONEST
from tests.nightproof.foreign import RUN_ID
from tests.nightproof.foreign import whole_night

if TYPE_CHECKING:
    from tests.nightproof.foreign import Foreign


def test_drift_blocks_its_suite_and_no_other(foreign: Foreign) -> None:
    """The lacking test is named with the remedy, the night is RED, and the other suite's test passes."""
    bank = foreign.folder / "bank"
    bank.mkdir()
    (bank / "test_bank.py").write_text(HONEST)
    write_lock(bank, collect(bank))
    foreign.write(HONEST + "def test_new(): pass\n")
    text = foreign.profile_path.read_text()
    foreign.profile_path.write_text(f'{text}[[suite]]\npath = "bank"\n')

    report = whole_night(open_night(str(foreign.profile_path), Choice(), RUN_ID))

    assert {test.id: test.verdict for test in report.tests} == {
        "shop/test_it::test_front": Verdict.BLOCKED,
        "shop/test_it::test_new": Verdict.BLOCKED,
        "bank/test_bank::test_front": Verdict.PASSED,
    }
    assert report.colour is Colour.RED
    assert report.reconciliation.violations == ()
    assert "lacks `shop/test_it::test_new`: run `nightproof catalogue --profile" in report.tests[0].reason
    assert report.cause.startswith("2 of 3 tests blocked: The catalogue of `shop` lacks `shop/test_it::test_new`")
