"""The command line: every mistake leads to one sentence with a remedy, and to an exit code with one meaning."""

from __future__ import annotations

import json
import socket
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import pytest

from deployments import cli
from deployments import commands
from nightproof.errors import Blocked
from nightproof.errors import Interrupted
from nightproof.errors import NightproofError
from nightproof.errors import UsageError
from nightproof.locking import environment_lock
from tests.nightproof.foreign import RUN_ID

if TYPE_CHECKING:
    from tests.deployments.conftest import Call
    from tests.nightproof.foreign import Foreign

COMMANDS = sorted(str(found.name or getattr(found.callback, "__name__", "")) for found in cli.app.registered_commands)


def test_there_are_as_many_commands_as_promised() -> None:
    """The command line has exactly these commands."""
    assert COMMANDS == [
        "catalogue", "cleanup", "doctor", "down", "history", "init", "prove", "prune", "report", "run", "seed",
        "testbed", "up",
    ]  # fmt: skip


def test_the_version_is_that_of_the_package(call: Call) -> None:
    """`--version` needs no command."""
    stated = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["version"]
    assert call("--version") == (0, f"nightproof {stated}\n", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_helps_with_an_example(call: Call, command: str) -> None:
    """The help of every command has an example that can be copied."""
    code, out, _ = call(command, "--help")
    assert code == 0
    assert f"Example: nightproof {command}" in " ".join(out.split())


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "init"])
def test_an_unknown_profile_is_wrong_usage(call: Call, command: str) -> None:
    """Every command that reads a profile exits 3 with the same sentence if there is none."""
    code, out, told = call(command, "--profile", "no-such")
    assert (code, out) == (3, "")
    assert told.startswith("There is no profile `no-such`: give one of embedded, or the path of a TOML file.")


@pytest.mark.parametrize(
    ("more", "words", "sentence"),
    [
        ('nmae = "x"', (), "unknown key `nmae`. Did you mean `name`?"),
        ("time_factor = 0", (), "wrong value at `time_factor`: 0;"),
        ('checks = [{kind = "bucket"}]', (), "There is no check `bucket`."),
        ("", ("--suite", "shpo"), "There is no suite `shpo`"),
        ("", ("--backend", "quilt4"), "no backend `quilt4`"),
        ("", ("--no-such-option",), "No such option"),
    ],
)
def test_a_night_that_is_asked_for_wrongly_does_not_start(
    call: Call, foreign: Foreign, more: str, words: tuple[str, ...], sentence: str
) -> None:
    """Wrong usage exits 3 with one sentence on stderr, without a traceback, and creates no state."""
    foreign.write(more=more)
    code, out, told = call("run", "-p", str(foreign.profile_path), *words)
    assert (code, out) == (3, "")
    assert sentence in told
    assert "Traceback" not in told
    assert not foreign.state.exists()


def amend(foreign: Foreign, line: str) -> str:
    """Append a line to the suite's section; return the profile's path."""
    foreign.profile_path.write_text(foreign.profile_path.read_text() + line + "\n")
    return str(foreign.profile_path)


def test_a_profile_that_selects_no_test_is_wrong_usage(call: Call, foreign: Foreign) -> None:
    """A selection without tests exits 3, because a night without tests would be green."""
    code, _, told = call("run", "-p", amend(foreign, 'select = "nothing"'))
    assert (code, "selects no test" in told) == (3, True)


@pytest.mark.parametrize("command", ["run", "doctor"])
def test_a_secret_that_is_not_set_is_named_at_once(call: Call, foreign: Foreign, command: str) -> None:
    """A missing secret exits 3 before anything starts; the sentence lists the places where it may be set."""
    code, _, told = call(command, "-p", amend(foreign, 'secrets = ["SHOP_TOKEN"]'))
    assert code == 3
    assert "needs the secret `SHOP_TOKEN`, which is not set: export it, or write it into `" in told
    assert not (foreign.state / "prefect").exists()


@pytest.mark.parametrize("command", ["run", "doctor"])
def test_a_second_night_names_the_first(call: Call, foreign: Foreign, command: str) -> None:
    """A second night in the same environment exits 3, names the first, and starts nothing."""
    with environment_lock(foreign.state, RUN_ID):
        code, _, told = call(command, "-p", str(foreign.profile_path))
    assert code == 3
    assert f"is locked by run `{RUN_ID}` (process " in told
    assert not (foreign.state / "prefect").exists()


def test_a_port_in_use_is_named(call: Call, tmp_path: Path) -> None:
    """A configured port that is in use exits 3 and is named; it is never replaced silently."""
    path = tmp_path / "own.toml"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        path.write_text(f'target = "embedded"\nstate_dir = "{tmp_path / "state"}"\ntestbed_aws_port = {port}\n')
        code, out, told = call("testbed", "-p", str(path))
    assert (code, out, str(port) in told) == (3, "", True)
    assert "Traceback" not in told


def test_a_live_profile_has_no_testbed(call: Call, foreign: Foreign) -> None:
    """`testbed` with a live profile exits 3 and says that there is no testbed to start."""
    code, _, told = call("testbed", "-p", str(foreign.profile_path))
    assert (code, "is live: there is no testbed to start" in told) == (3, True)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("said"), 3), (Blocked("said"), 2), (NightproofError("said"), 1),
        (Interrupted("SIGTERM"), 143), (Interrupted("SIGINT"), 130), (KeyboardInterrupt(), 130),
    ],
)  # fmt: skip
def test_every_error_has_its_exit_code(
    call: Call, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    """Each kind of error that a command raises leads to its exit code in the table."""

    def raises(*_args: Any, **_more: Any) -> str:
        raise error

    monkeypatch.setattr(commands, "history", raises)
    found, out, told = call("history")
    assert (found, out) == (code, "")
    assert told.splitlines() == ([str(error)] if str(error) else [])


def test_doctor_tells_what_could_run(call: Call, foreign: Foreign) -> None:
    """`doctor` reports as text and as JSON what can run, and exits 2 if a required check fails."""
    profile = str(foreign.profile_path)
    assert call("doctor", "-p", profile)[0] == 0
    assert json.loads(call("doctor", "-p", profile, "--json")[1])["outlooks"][0]["runnable"] == 1
    foreign.write(more='checks = [{kind = "http", url = "http://127.0.0.1:9/"}]')
    code, out, _ = call("doctor", "-p", profile)
    assert (code, "127.0.0.1:9" in out) == (2, True)


def test_down_without_a_supervisor_is_no_mistake(call: Call, foreign: Foreign) -> None:
    """`down` exits 0 if no supervisor runs, so it is safe to repeat."""
    assert call("down", "-p", str(foreign.profile_path)) == (0, "No supervisor is running.\n", "")


def test_the_catalogue_is_compared_and_written(call: Call, foreign: Foreign) -> None:
    """Drift of the catalogue exits 3 and names the tests; `--update` writes the catalogue."""
    profile = str(foreign.profile_path)
    foreign.lock("test_other")
    code, out, _ = call("catalogue", "-p", profile)
    assert (code, out) == (
        3, f"{foreign.suite}: added shop/test_it::test_front; removed shop/test_it::test_other\n"
    )  # fmt: skip
    assert call("catalogue", str(foreign.suite), "--update")[:2] == (0, f"{foreign.suite}: wrote 1 tests\n")
    assert json.loads(call("catalogue", "-p", profile, "--json")[1]) == {str(foreign.suite): []}
