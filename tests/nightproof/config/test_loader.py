"""Every error in a night's configuration is one sentence with exit code 3, and leaves every file untouched."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from deployments import cli
from tests.nightproof.config import bad_inputs
from tests.nightproof.foreign import Foreign

if TYPE_CHECKING:
    from pathlib import Path

    from tests.nightproof.config.bad_inputs import Bad

BAD = bad_inputs.every()
SAMPLE = BAD[:: len(BAD) // 10]


def prepare(folder: Path, bad: Bad) -> Foreign:
    """Write a night that could run, then spoil it."""
    foreign = Foreign(folder)
    foreign.write(more=bad.head)
    text = foreign.profile_path.read_text()
    if "endpoints" in bad.head:  # the section may stand there once only
        text = text.replace('[endpoints.urls]\nshop = "http://127.0.0.1:9"\n', "")
    for line in ('target = "live"\n', f'state_dir = "{foreign.state}"\n', "timeout_s = 30\n"):
        if any(given.startswith(line.partition(" ")[0] + " ") for given in (bad.head, bad.suite)):
            text = text.replace(line, "")
    foreign.profile_path.write_text(text)
    with foreign.profile_path.open("a") as file:
        file.write(bad.suite + "\n")
    if bad.damage:
        bad.damage(foreign)
    return foreign


def listing(folder: Path) -> dict[str, bytes | None]:
    """Return every entry below a folder with the bytes of files."""
    found = sorted(folder.rglob("*"))
    return {str(path): path.read_bytes() if path.is_file() else None for path in found}


def said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str, str]:
    """Run the command line in this process; return exit code, stdout and stderr."""
    monkeypatch.setattr(sys, "argv", ["nightproof", *words])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return (int(end.value.code or 0), *capsys.readouterr())


def test_there_are_as_many_bad_inputs_as_promised() -> None:
    """There are at least 200 bad inputs, each with a name of its own."""
    assert len({bad.name for bad in BAD}) == len(BAD) >= 200


@pytest.mark.parametrize(
    ("bad", "command"), list(zip(BAD, itertools.cycle(("run", "doctor")), strict=False)), ids=[bad.name for bad in BAD]
)
def test_a_bad_input_is_one_sentence_and_touches_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, bad: Bad, command: str
) -> None:
    """A bad input ends with exit code 3, names the thing, prints no traceback, and changes no file."""
    foreign = prepare(tmp_path, bad)
    before = listing(tmp_path)
    code, out, told = said(capsys, monkeypatch, command, "-p", str(foreign.profile_path))
    assert (code, out) == (3, ""), told
    assert bad.words in told
    assert told.count("\n") == 1, told
    assert "Traceback" not in told
    assert len(told) < 1500
    assert listing(tmp_path) == before


@pytest.mark.parametrize("bad", SAMPLE, ids=[bad.name for bad in SAMPLE])
def test_a_real_process_says_it_too(tmp_path: Path, bad: Bad) -> None:
    """A real process started in another folder behaves in the same way."""
    foreign = prepare(tmp_path, bad)
    before = listing(tmp_path)
    command = [sys.executable, "-m", "deployments.cli", "run", "-p", str(foreign.profile_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ, timeout=120)
    assert (done.returncode, done.stdout) == (3, "")
    assert (bad.words in done.stderr, done.stderr.count("\n")) == (True, 1)
    assert listing(tmp_path) == before


def test_what_is_spoilt_could_run(tmp_path: Path) -> None:
    """Without the damage the same folder yields a plan, and reading it leaves no trace."""
    from nightproof.config.loader import load  # noqa: PLC0415 - beside the command line, which reads the same

    foreign = prepare(tmp_path, bad_inputs.Bad("none", ""))
    before = listing(tmp_path)
    assert load(str(foreign.profile_path)).profile.suite[0].path == foreign.suite
    assert listing(tmp_path) == before
