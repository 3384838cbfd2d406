"""The supervisor's rounds: each kind of death is reported once over the configured channel, and the watch goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from deployments import watching
from deployments.pulse import Pulse
from deployments.pulse import Trouble
from deployments.server import Server
from deployments.supervisor import Supervisor
from nightproof.config.loader import load
from nightproof.errors import Interrupted
from nightproof.errors import NightproofError
from nightproof.lifeline import keep
from nightproof.waiting import await_value
from tests.nightproof.report.answers import ANSWERS
from tests.nightproof.report.answers import OK
from tests.nightproof.report.answers import Answering
from tests.nightproof.report.answers import Plan
from tests.nightproof.report.answers import answering
from tests.nightproof.report.answers import http
from tests.nightproof.report.answers import texts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nightproof.lifeline import Kept

CHANNELS = ("webhook", "token and channel", "none")
KINDS = ("worker", "server", "silent server", "run")
RUN = Trouble("ended-1", "The run `one` Crashed.")


@pytest.fixture
def slack() -> Iterator[Answering]:
    """Serve planned answers in place of Slack."""
    with answering() as made:
        yield made


@contextmanager
def asleep(folder: Path) -> Iterator[Kept]:
    """Yield a kept process that does nothing, in place of a server or a worker."""
    folder.mkdir(exist_ok=True)
    child = keep(["http.server", "--bind", "127.0.0.1", "0"], dict(os.environ), folder / "child.log", folder)
    yield child
    child.stop(5)


@pytest.fixture
def watch(tmp_path: Path, slack: Answering, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    """Yield a supervisor over two idle processes; its server answers, and it has no troubles to report."""
    path = tmp_path / "own.toml"
    path.write_text(
        f'target = "live"\nstate_dir = "{tmp_path}"\n'
        f'[slack]\nchannel = "#nights"\nbase_url = "{slack.url}"\nbudget_s = 2\n'
    )
    monkeypatch.setattr(watching, "troubles", lambda *_args: [])
    with answering() as api, asleep(tmp_path / "server") as server, asleep(tmp_path / "worker") as worker:
        api.plan = Plan(http(200, b"true"))
        told = load(str(path))
        made = Supervisor(told.profile, told.secrets, Server(api.url.removesuffix("/api"), tmp_path, server))
        made.worker = worker
        monkeypatch.setattr(made, "start_worker", lambda: None)
        monkeypatch.setattr("deployments.runs.crash_stale", lambda: 0)
        yield made
        made.alerts.stop()


@pytest.fixture
def channel(request: pytest.FixtureRequest, slack: Answering, monkeypatch: pytest.MonkeyPatch) -> str:
    """Configure one kind of channel; return the kind."""
    kind = str(request.param)
    if kind == "webhook":
        slack.plan = Plan(http(200, b"ok"))
        monkeypatch.setenv("NIGHTPROOF_SLACK_WEBHOOK", f"{slack.url}/hook")
    elif kind == "token and channel":
        slack.plan = Plan(http(200, OK))
        monkeypatch.setenv("NIGHTPROOF_SLACK_TOKEN", "xoxb-planted")
    return kind


def kill(kind: str, watch: Supervisor, monkeypatch: pytest.MonkeyPatch) -> str:
    """Kill the server or worker, silence the server, or plant a trouble of a run; return the text of its alert."""
    if kind == "worker":
        assert watch.worker
        watch.worker.process.kill()
        watch.worker.process.wait(10)
        return "The worker ended by itself"
    if kind == "server":
        watch.server.child.process.kill()
        watch.server.child.process.wait(10)
        return "The Prefect server ended by itself"
    if kind == "silent server":
        watch.pulse = Pulse("http://127.0.0.1:9/api", 0)
        return "The Prefect server at http://127.0.0.1:9/api/health has not answered"
    monkeypatch.setattr(watching, "troubles", lambda *_args: [RUN])
    return RUN.sentence


@pytest.mark.skipif(sys.platform != "linux", reason="a kept child is killed as Linux does it")
@pytest.mark.parametrize("channel", CHANNELS, indirect=True)
@pytest.mark.parametrize("kind", KINDS)
def test_each_death_is_told_once(
    kind: str, channel: str, watch: Supervisor, slack: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three rounds with the same trouble lead to one message, or to one stored file without a channel."""
    said = kill(kind, watch, monkeypatch)
    for _ in range(3):
        with pytest.raises(NightproofError) if kind == "server" else nullcontext():
            watch.look()
    assert watch.alerts.flush()
    kept = [json.loads(path.read_text())["text"] for path in watch.alerts.folder.glob("*.json")]
    told = kept if channel == "none" else texts(slack)
    assert [said in text for text in told] == [True]
    assert bool(slack.got) is (channel != "none")
    assert bool(kept) is (channel == "none")


@pytest.mark.parametrize("channel", ["webhook"], indirect=True)
@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.usefixtures("channel")
def test_no_answer_ends_the_watch(
    answer: str, watch: Supervisor, slack: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the webhook answers, the rounds go on at once and the alert stays in its file."""
    slack.plan = ANSWERS[answer]
    monkeypatch.setattr(watching, "troubles", lambda *_args: [RUN])
    started = time.monotonic()
    watch.look()
    watch.look()
    assert time.monotonic() - started < 5
    assert (watch.alerts.folder / "ended-1.json").is_file()


def test_a_round_that_fails_is_not_the_last(
    watch: Supervisor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An unexpected error in a round is logged, and the next round works."""

    def surprise(*_args: object) -> list[Trouble]:
        raise ZeroDivisionError("what the API says")

    monkeypatch.setattr(watching, "troubles", surprise)
    watch.look()
    assert "could not be looked at in this round: ZeroDivisionError: what the API says" in caplog.text
    monkeypatch.setattr(watching, "troubles", lambda *_args: [RUN])
    watch.look()
    assert (watch.alerts.folder / "ended-1.json").is_file()


def test_a_signal_ends_the_watch(watch: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal during a round ends the watch; it is not logged as a failed round."""

    def interrupt(*_args: object) -> list[Trouble]:
        raise Interrupted("SIGTERM")

    monkeypatch.setattr(watching, "troubles", interrupt)
    with pytest.raises(Interrupted):
        watch.watch()


def test_a_server_that_is_frozen_is_told_once_and_again_after_it_came_back() -> None:
    """A server that stays silent is a trouble with one key per silence; one failed check is not a trouble."""
    with answering() as api:
        pulse = Pulse(api.url, 0.3)
        api.plan = Plan(http(200, b"true"))
        assert (pulse.check(), pulse.is_there) == (None, True)
        api.plan = Plan(http(503, b"busy"))
        assert (pulse.check(), pulse.is_there) == (None, False)
        first = await_value(pulse.check, 20)
        second = pulse.check()
        assert second is not None
        assert first.key == second.key
        api.plan = Plan(http(200, b"true"))
        assert (pulse.check(), pulse.is_there) == (None, True)


@pytest.mark.skipif(sys.platform != "linux", reason="SIGSTOP and /proc")
def test_a_stopped_process_is_silent_and_not_waited_for(tmp_path: Path) -> None:
    """A stopped server still accepts connections, so each check ends at its own time limit."""
    code = "import http.server as h\ns = h.HTTPServer(('127.0.0.1', 0), h.SimpleHTTPRequestHandler)\n"
    (tmp_path / "frozen.py").write_text(f"{code}print(s.server_port, flush=True)\ns.serve_forever()\n")
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "health").write_text("true")
    command = [sys.executable, "frozen.py"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        assert child.stdout
        pulse = Pulse(f"http://127.0.0.1:{int(child.stdout.readline())}/api", 0)
        assert (pulse.check(), pulse.is_there) == (None, True)
        child.send_signal(signal.SIGSTOP)
        started = time.monotonic()
        assert pulse.check() is not None
        assert time.monotonic() - started < 20
        child.kill()
