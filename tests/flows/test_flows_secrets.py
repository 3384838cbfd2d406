"""No secret appears in what a night gives to Prefect, in Prefect's database, the run directory or the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import pytest
from prefect.settings import PREFECT_SERVER_DATABASE_CONNECTION_URL
from sqlalchemy import make_url

from nightproof.errors import Blocked
from nightproof.provisioning import CheckFailed
from nightproof.records import CheckResult
from nightproof.redact import MASK
from nightproof.seeds import SeedJob
from tasks import provisioning
from tasks import seeding
from tests.nightproof.test_spellings import SECRETS
from tests.nightproof.test_spellings import spellings

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefect.client.schemas.objects import State

    from tests.nightproof.foreign import Foreign

pytestmark = [
    pytest.mark.xdist_group("harness"),  # one server for all of them
    pytest.mark.timeout(240),  # its start on a busy machine
]
SECRET = SECRETS["special"]
SHOWN = "\n".join(f"{name}: {text}" for name, text in spellings(SECRET).items())
SPILLING = """
import os, pathlib, requests
SHOWN = (pathlib.Path(__file__).parent / "shown.txt").read_text()
def test_front():
    print(SHOWN)
    assert requests.get(os.environ["NIGHTPROOF_URL_SHOP"]).status_code == 418, SHOWN
"""
CHECK = 'checks = [{kind = "http", url = "http://127.0.0.1:9/", name = "front", required = false}]'
HOLDS = CheckResult("front", required=False, ok=True, detail="", remedy="", duration_s=0)


class OwnWordsError(Exception):
    """An error whose text does not come from its arguments."""

    def __str__(self) -> str:
        return f"in own words {SHOWN}"


def spill(*_given: object) -> Any:
    """Raise Blocked with the secret in its text; its cause builds a text with the secret, too."""
    raise Blocked(f"refused {SHOWN}") from OwnWordsError()


def find_nothing(*_given: object) -> Any:
    """Raise the finding of a check, with the secret in its text."""
    raise CheckFailed(f"found {SHOWN}", f"mend {SHOWN}")


@pytest.fixture
def spilling(foreign: Foreign, monkeypatch: pytest.MonkeyPatch) -> Foreign:
    """Return another team's suite that prints the secret, and a profile that declares it."""
    foreign.write(SPILLING, more=CHECK)
    (foreign.suite / "shown.txt").write_text(SHOWN)
    with foreign.profile_path.open("a") as profile:
        profile.write('secrets = ["SHOP_PIN"]\n')
    monkeypatch.setenv("SHOP_PIN", SECRET)
    return foreign


def leaks(foreign: Foreign, output: str) -> dict[str, list[str]]:
    """Return the secret's spellings in Prefect's database and journal, the state directory and the output, by place."""
    database = Path(make_url(PREFECT_SERVER_DATABASE_CONNECTION_URL.value()).database or "")
    places = {path.name: path.read_bytes() for path in database.parent.glob(f"{database.name}*")}
    assert b"20" in places[database.name]
    places |= {path.name: path.read_bytes() for path in foreign.state.rglob("*") if path.is_file()}
    places["terminal"] = output.encode()
    assert {"report.json", "slack.json"} <= places.keys()
    return {name: found for name, place in places.items() if (found := spelled_in(place))}


def spelled_in(place: bytes) -> list[str]:
    """Return the names of the secret's spellings in some bytes: plain, as JSON, or as Python's `repr`."""
    return [
        name
        for name, text in spellings(SECRET).items()
        if any(form.encode() in place for form in (text, json.dumps(text)[1:-1], repr(text)[1:-1]))
    ]


@pytest.mark.parametrize("ask", [find_nothing, spill])
def test_what_a_check_says_is_masked(
    ask: Callable[..., Any], run: Callable[..., State[Any]], spilling: Foreign, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """No secret leaks from a finding, after which the suite runs, or from a check's fault, which ends the night."""
    monkeypatch.setattr(provisioning, "verify_strictly", ask)
    run()
    assert leaks(spilling, "".join(capfd.readouterr())) == {}


def test_what_a_seed_says_is_masked(
    run: Callable[..., State[Any]], spilling: Foreign, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The error of a seed blocks the night, and its secret is masked in the final state and elsewhere."""
    monkeypatch.setattr(provisioning, "verify_strictly", lambda *_given: HOLDS)
    monkeypatch.setattr(seeding, "seed_jobs", lambda _night: [SeedJob("front", spill)])
    state = run()
    assert MASK in (state.message or "")
    assert leaks(spilling, "".join(capfd.readouterr())) == {}
