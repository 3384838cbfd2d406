"""The Prefect server that nightproof starts: its port, and the error if it cannot start."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from deployments import server
from deployments import supervisor
from nightproof.errors import Blocked
from nightproof.lifeline import keep
from nightproof.profile import PROFILES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Sequence
    from pathlib import Path

    from nightproof.lifeline import Kept


def instead(monkeypatch: pytest.MonkeyPatch, code: str) -> list[int]:
    """Start other code in place of the server; return a list that receives its process id."""
    started: list[int] = []

    def kept(_module: Sequence[str], env: Mapping[str, str], log: Path, cwd: Path, *, umask: int) -> Kept:
        (log.parent / "stub.py").write_text(code)
        child = keep(["stub"], {**env, "PYTHONPATH": str(log.parent)}, log, cwd, umask=umask)
        started.append(child.process.pid)
        return child

    monkeypatch.setattr(server, "keep", kept)
    return started


def is_alive(pid: int) -> bool:
    """Return whether a process exists; a zombie counts as alive."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_taken_port_is_replaced_by_a_free_one() -> None:
    """A wanted port is used if it is free, else another port is."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert server.free_port(port) not in {0, port}
    assert server.free_port(port) == port


@pytest.mark.parametrize(
    ("code", "last"),
    [
        ("print('no such table'); raise SystemExit(4)", "exit 4: no such table"),
        ("raise SystemExit(5)", "exit 5: it wrote nothing"),
    ],
)
def test_a_server_that_ends_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, last: str
) -> None:
    """A server that ends during its start raises at once, with its exit code and its last line of output."""
    instead(monkeypatch, code)
    tmp_path.joinpath("prefect").mkdir()
    tmp_path.joinpath("prefect", "server.log").write_text("the last line of an earlier start\n")
    with pytest.raises(Blocked, match=last):
        server.start(tmp_path, with_services=False)


def test_a_server_that_does_not_answer_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, news: list[str]
) -> None:
    """A server that does not answer in time raises with the limit; waiting is announced, and the log has the reason."""
    instead(monkeypatch, "import time; time.sleep(60)")
    monkeypatch.setattr(server, "TELL_EVERY_S", 0.1)
    with pytest.raises(Blocked, match=r"did not answer at .* within 0\.5 s: it wrote nothing\. .*`server_start_s`"):
        server.start(tmp_path, with_services=False, patience_s=0.5)
    assert any("waiting for the Prefect server" in line for line in news)
    log = (tmp_path / "prefect" / "server.log").read_text()
    assert "starting at http://127.0.0.1:" in log
    assert "ended by its starter: it did not answer within 0.5 s" in log


@pytest.fixture
def news(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that receives the announced texts."""
    told: list[str] = []
    monkeypatch.setattr("nightproof.progress.LISTENERS", [lambda one: told.append(one.text)])
    return told


@pytest.mark.parametrize("end", [Blocked, KeyboardInterrupt])
def test_a_server_that_is_not_awaited_any_more_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: type[BaseException]
) -> None:
    """Neither a missed deadline nor Ctrl-C leaves a server process behind."""
    started = instead(monkeypatch, "import sys; sys.stdin.read(); import time; time.sleep(60)")
    if end is KeyboardInterrupt:
        monkeypatch.setattr(server, "_is_healthy", lambda *_args: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(end):
        server.start(tmp_path, with_services=True, patience_s=0.2)
    assert not is_alive(started[0])


def test_a_profile_is_handed_on_so_that_a_worker_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A committed profile stays a name; a path becomes absolute, because the worker has another directory."""
    (tmp_path / "own.toml").touch()
    monkeypatch.chdir(tmp_path)
    assert supervisor._from_anywhere("embedded") == "embedded"
    assert supervisor._from_anywhere(str(PROFILES / "embedded.toml")) == "embedded"
    assert supervisor._from_anywhere("own.toml") == str(tmp_path / "own.toml")


def test_a_prefect_command_that_fails_is_told_with_its_last_line() -> None:
    """A failing Prefect command raises one sentence with the command, its exit code and its last line."""
    with pytest.raises(Blocked, match=r"`prefect no-such-command` failed, exit \d+: \S"):
        supervisor._prefect("no-such-command")
