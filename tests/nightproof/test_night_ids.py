"""Tests whose ids hold a secret or a look-alike: matched by the id itself, masked for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nightproof.night import open_night
from nightproof.plan import Choice
from nightproof.records import Verdict
from nightproof.verdict.catalogue import collect
from nightproof.verdict.catalogue import write_lock
from tests.nightproof.foreign import HONEST
from tests.nightproof.foreign import RUN_ID
from tests.nightproof.foreign import whole_night

if TYPE_CHECKING:
    import pytest

    from tests.nightproof.foreign import Foreign

SOURCE = (
    HONEST
    + """
import pytest
def ask(): return requests.get(os.environ["NIGHTPROOF_URL_SHOP"]).status_code
@pytest.mark.parametrize("user", ["shop-admin", "guest"])
def test_login(user): assert ask() == (200 if user == "guest" else 500)
TOKENS = [f"https://a.example/?refresh_token={token}" for token in ("abcdef123", "bcdefa123")]
@pytest.mark.parametrize("url", ["xoxb-1234567890-abcdef", *TOKENS])
def test_parses(url): assert ask() == 200
"""
)
SECRETS = ("shop-admin", "xoxb-1234567890-abcdef", "abcdef123", "bcdefa123")


def test_an_id_that_holds_a_secret_has_its_verdict_and_is_masked(
    foreign: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every such test runs, ids that mask alike stay distinct, and no file for people holds the secret part."""
    monkeypatch.setenv("SHOP_USER", "shop-admin")
    foreign.write(SOURCE)
    foreign.profile_path.write_text(foreign.profile_path.read_text() + 'secrets = ["SHOP_USER"]\n')
    write_lock(foreign.suite, collect(foreign.suite))
    night = open_night(str(foreign.profile_path), Choice(), RUN_ID)

    report = whole_night(night)

    assert report.reconciliation.violations == ()
    verdicts = sorted((test.id.partition("::")[2].partition("[")[0], test.verdict) for test in report.tests)
    assert verdicts == [
        ("test_front", Verdict.PASSED),
        ("test_login", Verdict.FAILED),
        ("test_login", Verdict.PASSED),
        *[("test_parses", Verdict.PASSED)] * 3,
    ]
    assert len({test.id for test in report.tests}) == len(report.tests)
    names = ("report.html", "report.md", "junit.xml", "report.json", "slack.json", "cells/shop-default/output.log")
    shown = [(night.run_dir / name).read_text() for name in names]
    shown += [path.read_text() for path in night.run_dir.rglob("rerun.txt")]
    assert len(shown) > len(names)
    assert [secret for secret in SECRETS for text in shown if secret in text] == []
