"""The end of a night: what ends it early, that it is always concluded, and its final state."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING
from typing import Any

import pytest
from prefect._internal import control_listener
from prefect.exceptions import TerminationSignal

from nightproof.errors import UsageError
from nightproof.night import close_night
from nightproof.report.files import read_report
from tasks import concluding
from tasks.cleanup import clean_up
from tasks.interruption import interruption
from tasks.interruption import unhurried

if TYPE_CHECKING:
    from nightproof.night import Night

TERM = TerminationSignal(signal=15)


@pytest.mark.parametrize(
    ("error", "intent", "name"),
    [
        (KeyboardInterrupt(), None, "SIGINT"),
        (TERM, None, "SIGTERM"),
        (TERM, "cancel", "cancelled"),
        (SystemExit(), None, "SIGTERM"),
        (RuntimeError("a fault"), None, None),
    ],
)
def test_a_signal_a_cancel_and_a_fault_are_told_apart(
    error: BaseException, intent: str | None, name: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal, a cancel and a fault are distinguished, because report and exit code depend on it."""
    monkeypatch.setattr(control_listener, "get_intent", lambda: intent)
    assert interruption(error) == name


def test_a_second_ctrl_c_does_not_cut_the_cleanup_short() -> None:
    """SIGINT is ignored inside the block; afterwards the old handler is back."""
    before = signal.getsignal(signal.SIGINT)
    with unhurried():
        signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_leaves_signals_alone() -> None:
    """Outside the main thread the block runs and sets no handlers."""
    seen: list[Any] = []

    def work() -> None:
        with unhurried():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]


def test_wrong_usage_voids_the_night(night: Night) -> None:
    """Wrong usage before the first stage leaves no report and no run directory."""
    concluding.halt(night, UsageError("leased"))
    concluding.conclude(night)
    assert not night.run_dir.exists()
    assert concluding.final_state(night).message == "No report was written."


def test_wrong_usage_that_is_found_late_deletes_nothing(night: Night) -> None:
    """Wrong usage after a stage has begun deletes nothing and is a violation of the night."""
    with night.stage("suites"):
        (night.run_dir / "events.jsonl").write_text("what a test said\n")
    concluding.halt(night, UsageError("a wrong date"))
    assert not night.is_void
    close_night(night)
    assert (night.run_dir / "events.jsonl").read_text() == "what a test said\n"
    assert night.violations == ["The harness failed: UsageError: a wrong date"]


def test_a_fault_of_the_harness_ends_the_suites_and_is_a_violation(night: Night) -> None:
    """A fault of the harness stops the suites and is recorded as a violation, so it is never silent."""
    concluding.halt(night, RuntimeError("disk gone"))
    assert night.groups.is_stopping
    assert night.violations == ["The harness failed: RuntimeError: disk gone"]


def test_a_signal_during_the_conclusion_lets_it_start_over(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal during the conclusion still leads to a report that names it, and is raised again."""

    def struck(_night: Night) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(concluding, "ORDER", (struck, *concluding.ORDER[1:]))
    monkeypatch.setattr(struck, "fn", clean_up.fn, raising=False)
    with pytest.raises(KeyboardInterrupt):
        concluding.conclude(night)
    report = read_report(night.run_dir / "report.json")
    assert (report.interrupted, report.exit_code, report.colour) == ("SIGINT", 130, None)
