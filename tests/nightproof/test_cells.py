"""The cells of a night over another team's suite: first pass, second pass, and masking of all files."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from nightproof.cells import first_pass
from nightproof.cells import repeat
from nightproof.cells import to_repeat
from nightproof.conclusion import cell_dir
from nightproof.night import close_night
from nightproof.night import open_night
from nightproof.night import start_target
from nightproof.plan import Choice
from nightproof.records import Outcome
from nightproof.runner.events import read_cell
from tests.nightproof.foreign import RUN_ID

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from pathlib import Path

    from nightproof.night import Night
    from tests.nightproof.foreign import Foreign

REFRESH = "planted+refresh/token=of.tonight'7"
SIGNING = "planted-signing-secret-0123456789"
GOOD = """
import os, pathlib, requests
URL = os.environ["NIGHTPROOF_URL_SHOP"]
MARK = pathlib.Path(__file__).with_name("mark")
def test_good(): assert requests.get(URL).status_code == 200
"""
PAIR = f"""{GOOD}def test_bad(): assert requests.get(URL).status_code == 404
"""
MIXED = f"""{PAIR}def test_once():
    answer, was_there = requests.get(URL), MARK.exists()
    MARK.touch()
    assert answer.status_code == 200 and was_there
def test_gate(gate): assert gate
"""
LEAKY = """
import base64, logging, os, sys
from urllib.parse import quote
import pytest, requests
from nightproof.evidence import observe
URL, TOKEN, KEY = (os.environ[name] for name in
    ("NIGHTPROOF_URL_SHOP", "QUILT_TEST_REFRESH_TOKEN", "QUILT_TEST_JWT_SECRET"))
class Answer:
    def __str__(self): return f"answer {TOKEN}"
@pytest.fixture
def messy():
    yield
    raise RuntimeError("teardown with " + KEY)
def test_output(capfd):
    print("to stdout", TOKEN); print("to stderr", KEY, file=sys.stderr); os.write(1, TOKEN.encode())
    with capfd.disabled():
        print("\\nuncaptured", TOKEN, base64.b64encode(KEY.encode()).decode())
    logging.getLogger("shop").error("logged %s", TOKEN)
    assert requests.get(URL).status_code == 404
def test_message(record_property, messy):
    record_property("key", KEY)
    observe("answer", Answer())
    assert {"token": TOKEN} == {"token": KEY}, f"refused {TOKEN}"
def test_wire():
    session = requests.Session()
    session.get(f"{URL}/orders?access={quote(TOKEN, safe='')}", headers={"X-Shop-Auth": KEY, "Cookie": TOKEN})
    assert session.post(URL, data={"who": TOKEN}, headers={"Authorization": "Bearer " + KEY}).status_code == 404
def test_passes():
    print(TOKEN)
    assert requests.get(URL, params={"k": KEY}).ok
"""


def silent(_lines: list[str]) -> None:
    """Take lines and say nothing."""


@pytest.fixture
def night_of(foreign: Foreign, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Night]]:
    """Open nights with a started target over a suite's source."""
    opened: list[Night] = []

    def make(source: str, *names: str, more: str = "") -> Night:
        foreign.write(source, *names, more=more)
        monkeypatch.setenv("NIGHTPROOF_REFRESH_TOKEN", REFRESH)
        monkeypatch.setenv("NIGHTPROOF_JWT_SECRET", SIGNING)
        opened.append(open_night(str(foreign.profile_path), Choice(), RUN_ID))
        start_target(opened[-1])
        return opened[-1]

    yield make
    for night in opened:
        close_night(night)


def written(run_dir: Path) -> dict[str, bytes]:
    """Read every file of a run."""
    files = (path for path in run_dir.rglob("*") if path.is_file())
    return {str(path.relative_to(run_dir)): path.read_bytes() for path in files}


def test_a_suite_runs_and_what_did_not_pass_runs_once_more(night_of: Callable[..., Night]) -> None:
    """The second pass repeats failures and errors only; a repaired test is flaky."""
    night = night_of(MIXED, "test_good", "test_bad", "test_once", "test_gate")
    (cell,) = night.plan.cells
    lines: list[str] = []

    first_pass(night, cell, lines.extend, serial=False, share=0)
    again = repeat(night, cell, silent, serial=False)

    events = read_cell(cell_dir(night, cell))
    outcomes = {test.rpartition("::")[2]: [one.outcome for one in done] for test, done in events.attempts.items()}
    assert again == 3
    assert outcomes == {
        "test_good": [Outcome.PASSED],
        "test_bad": [Outcome.FAILED, Outcome.FAILED],
        "test_once": [Outcome.FAILED, Outcome.PASSED],
        "test_gate": [Outcome.ERROR, Outcome.ERROR],
    }
    assert any("test_good PASSED" in line for line in lines)


def test_nothing_is_repeated_when_all_passed(night_of: Callable[..., Night]) -> None:
    """If all tests passed no second process is started."""
    night = night_of(GOOD, "test_good")
    (cell,) = night.plan.cells
    assert to_repeat(night, cell) == ()  # nothing ran yet

    first_pass(night, cell, silent, serial=False, share=0)

    assert repeat(night, cell, silent, serial=False) == 0
    assert not (cell_dir(night, cell) / "events.2.jsonl").exists()


def test_a_test_that_started_and_left_no_outcome_runs_again(night_of: Callable[..., Night]) -> None:
    """A log cut in mid-line loses and counts one line, and the test of that line runs again."""
    night = night_of(PAIR, "test_good", "test_bad")
    (cell,) = night.plan.cells
    first_pass(night, cell, silent, serial=False, share=0)
    log = cell_dir(night, cell) / "events.jsonl"
    whole = log.read_bytes()
    last = whole.index(b'"TestEvidence", "id": "shop/test_it::test_bad"')
    log.write_bytes(whole[: last + 30])

    assert to_repeat(night, cell) == ("shop/test_it::test_bad",)
    assert repeat(night, cell, silent, serial=False) == 1

    events = read_cell(cell_dir(night, cell))
    assert events.torn_lines == 1
    assert [one.outcome for one in events.attempts["shop/test_it::test_good"]] == [Outcome.PASSED]
    assert len(events.attempts["shop/test_it::test_bad"]) == 2


def test_no_secret_reaches_any_file_of_the_run(night_of: Callable[..., Night], foreign: Foreign) -> None:
    """Output, messages, properties, observations, URLs, headers and bodies are masked before they are written."""
    more = f'needs = ["mint_jwt"]\n[endpoints]\ncatalog = "{foreign.url}"'
    night = night_of(LEAKY, "test_output", "test_message", "test_wire", "test_passes", more=more)
    (cell,) = night.plan.cells
    lines: list[str] = []

    first_pass(night, cell, lines.extend, serial=False, share=0)
    repeat(night, cell, lines.extend, serial=False)

    events = read_cell(cell_dir(night, cell))
    assert {len(attempts) for attempts in events.attempts.values()} == {1, 2}  # they did run, and failed where meant
    found = written(night.run_dir) | {"lines": "\n".join(lines).encode()}
    spellings = [form.encode() for secret in (REFRESH, SIGNING) for form in forms(secret)]
    leaks = [(name, form) for name, content in found.items() for form in spellings if form in content]
    assert leaks == []
    assert b"refused [redacted]" in found[f"cells/{cell.key}/events.jsonl"]
    assert any(name.startswith("evidence/") for name in found)


def forms(secret: str) -> set[str]:
    """Return the spellings of a secret, made here without the redactor."""
    coded = base64.b64encode(secret.encode()).decode()
    return {secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1], coded, secret[:20], secret[-14:]}
