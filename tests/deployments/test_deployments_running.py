"""One night in this process: which server it uses, what ends it, and what the supervisor does when its server dies."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import nullcontext
from types import SimpleNamespace
from typing import TYPE_CHECKING
from typing import Any

import pytest

from deployments import running
from deployments import server
from deployments.server import Server
from deployments.state import SupervisorNote
from deployments.state import auth_path
from deployments.state import place
from deployments.state import write_note
from deployments.supervisor import Supervisor
from flows.nightly import nightly
from nightproof.config.secrets import load_secrets
from nightproof.errors import Interrupted
from nightproof.errors import NightproofError
from nightproof.errors import UsageError
from nightproof.lifeline import keep
from nightproof.plan import Choice
from nightproof.plan import make_plan
from tests.nightproof.foreign import RUN_ID

if TYPE_CHECKING:
    from tests.deployments.conftest import Call
    from tests.deployments.conftest import Messenger
    from tests.nightproof.foreign import Foreign

API = "PREFECT_API_URL"
LOGIN = "PREFECT_API_AUTH_STRING"


def ending(monkeypatch: pytest.MonkeyPatch, end: Any) -> None:
    """Replace the flow, without a server: it raises `end` if that is an interruption, else `end` is its result."""

    def flow(**_parameters: Any) -> Any:
        if isinstance(end, KeyboardInterrupt | Interrupted):
            raise end  # Prefect raises these; any other error becomes a state
        return SimpleNamespace(is_completed=lambda: False, result=lambda raise_on_failure: raise_on_failure or end)

    monkeypatch.setattr(running, "prefect_api", lambda _plan: nullcontext())
    monkeypatch.setattr(nightly, "with_options", lambda **_options: flow)


@pytest.mark.parametrize(
    ("end", "sentence"),
    [
        (KeyboardInterrupt(), "The night was interrupted: SIGINT."),
        (Interrupted("SIGTERM"), "The night was interrupted: SIGTERM."),
        (UsageError("leased by another"), "leased by another"),
        (RuntimeError("lost"), "The night left no report. Read the flow run `"),
        (None, "The night left no report. Read the flow run `"),
    ],
)
def test_a_night_without_a_report_says_why(
    foreign: Foreign, monkeypatch: pytest.MonkeyPatch, end: BaseException | None, sentence: str
) -> None:
    """A signal, wrong usage found by the flow, a fault or a missing result is raised with its own sentence."""
    ending(monkeypatch, end)
    with pytest.raises(NightproofError, match=sentence):
        running.run_night(str(foreign.profile_path), Choice())


def test_a_night_uses_the_supervisors_server(foreign: Foreign, monkeypatch: pytest.MonkeyPatch) -> None:
    """A night uses the supervisor's server if one runs; else it starts its own and stops it even after an error."""
    plan = make_plan(foreign.profile(), Choice(), RUN_ID)
    for name in server.environment(foreign.state, "x", "x"):
        monkeypatch.setenv(name, "")  # monkeypatch restores them afterwards
    stopped: list[str] = []
    own = SimpleNamespace(api="http://own/api", auth="own:secret", stop=lambda: stopped.append("own"))
    patience = plan.profile.server_start_s
    starts = {(False, patience): own}
    monkeypatch.setattr(server, "start", lambda _dir, *, with_services, patience_s: starts[with_services, patience_s])
    monkeypatch.setattr(running, "_drain", lambda: stopped.append("drained"))
    with pytest.raises(KeyError, match="http://own/api own:secret"), running.prefect_api(plan):
        raise KeyError(f"{os.environ[API]} {os.environ[LOGIN]}")
    assert stopped == ["drained", "own"]
    foreign.state.mkdir()
    write_note(foreign.state, SupervisorNote(os.getpid(), "http://up"))
    with place(foreign.state), running.prefect_api(plan):
        assert (os.environ[API], os.environ[LOGIN]) == ("http://up/api", auth_path(foreign.state).read_text())
    assert stopped == ["drained", "own"]


def test_there_is_nothing_to_drain_before_prefect_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draining does not import Prefect, because Prefect reads its settings on import."""
    monkeypatch.delitem(sys.modules, "prefect")
    running._drain()
    assert "prefect" not in sys.modules


@pytest.mark.parametrize(("number", "error"), [(signal.SIGTERM, Interrupted), (signal.SIGINT, KeyboardInterrupt)])
def test_signals_become_exceptions_in_the_block(number: signal.Signals, error: type[BaseException]) -> None:
    """Signals raise in the block, even if SIGINT was ignored before; afterwards the old handlers are back."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(error), running.termination():
            signal.raise_signal(number)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_leaves_signals_alone() -> None:
    """Outside the main thread the block runs and sets no handlers."""
    seen: list[Any] = []

    def work() -> None:
        with running.termination():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]


def test_a_second_supervisor_names_the_first(call: Call, foreign: Foreign) -> None:
    """A second supervisor exits 3, names the first, and starts nothing."""
    with place(foreign.state):
        write_note(foreign.state, SupervisorNote(os.getpid(), "http://up"))
        code, _, told = call("up", "-p", str(foreign.profile_path))
    assert code == 3
    assert told.startswith(f"A supervisor runs already (process {os.getpid()}, http://up): stop it with ")
    assert not (foreign.state / "prefect").exists()


def test_a_dead_server_ends_the_supervisor(
    foreign: Foreign, messenger: Messenger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the server dies, the alert is sent before the supervisor ends; stopping sends no request to that server."""
    monkeypatch.setenv("NIGHTPROOF_SLACK_WEBHOOK", f"{messenger.url}/hook")
    child = keep(["this"], os.environ, foreign.folder / "log", foreign.folder)
    child.process.wait()
    supervisor = Supervisor(foreign.profile(), load_secrets(), Server("http://127.0.0.1:9", foreign.folder, child))
    with pytest.raises(NightproofError, match=r"The Prefect server ended by itself\. Read `.*server\.log`"):
        supervisor.look()
    supervisor.stop()
    supervisor.alerts.stop()  # what `up` does last
    assert "The Prefect server ended by itself" in messenger.got[0]
    child.stop(0)
