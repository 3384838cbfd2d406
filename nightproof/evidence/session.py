"""One pytest session of a suite: its event log, its phases and the evidence of each test."""

from __future__ import annotations

import os
import secrets
import sys
from datetime import datetime
from datetime import timezone
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import pytest
from _pytest.assertion import rewrite

from nightproof.evidence import assertions
from nightproof.evidence import folder
from nightproof.evidence import options
from nightproof.evidence import passing
from nightproof.evidence import recorders
from nightproof.evidence import rerun
from nightproof.evidence.children import Children
from nightproof.evidence.control import CallLog
from nightproof.evidence.control import Seen
from nightproof.evidence.deselection import Deselection
from nightproof.evidence.eventlog import EXIT_LOG_LOST
from nightproof.evidence.eventlog import EventLog
from nightproof.evidence.eventlog import utc_now
from nightproof.evidence.eventlog import versions_here
from nightproof.evidence.executions import Execution
from nightproof.evidence.failures import is_time_limit
from nightproof.evidence.failures import kind_of
from nightproof.evidence.failures import outside_cause
from nightproof.evidence.failures import why_not_collected
from nightproof.evidence.fixture_counts import FixtureCounts
from nightproof.evidence.fixture_counts import fields_of
from nightproof.evidence.fixture_counts import line_of
from nightproof.evidence.fixture_counts import proof_of
from nightproof.evidence.scope import SCOPE
from nightproof.evidence.scope import rewrite_own_modules
from nightproof.evidence.selection import Selected
from nightproof.evidence.selection import Suites
from nightproof.evidence.selection import tell_apart
from nightproof.evidence.selection import unsupported_reason
from nightproof.evidence.selection import wanted_ids
from nightproof.evidence.selection import write_catalogue
from nightproof.evidence.state import RECORDING
from nightproof.evidence.state import Phase
from nightproof.evidence.state import TestState
from nightproof.evidence.state import hex16
from nightproof.evidence.suite import given_suite
from nightproof.evidence.timelimits import TimeLimits
from nightproof.evidence.timelimits import limit_time
from nightproof.evidence.wire.endpoints import VARIABLE as ENDPOINTS
from nightproof.names import run_tag

if TYPE_CHECKING:
    from collections.abc import Generator

SCHEMA: Final = 1
EXIT_FORKED: Final = 70  # EX_SOFTWARE of sysexits.h
CACHE_DIR: Final = "NIGHTPROOF_CACHE_DIR"
COUNTING: Final = "enable_assertion_pass_hook"
PYC_TAIL: Final = f".nightproof-{rewrite.PYTEST_TAG}.pyc"


@cache
def run_id() -> str:
    """Return the run's id, or a new one for a pytest outside a night."""
    return (
        os.environ.get("NIGHTPROOF_RUN_ID")
        or f"adhoc-{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    )


def prepare(config: pytest.Config) -> None:
    """Enable pytest's report of assertions that hold, whatever the suite's own configuration says; safe to repeat."""
    # pytest caches rewritten modules without regard to this setting: a cache of our own keeps stale ones away.
    rewrite.PYC_TAIL = PYC_TAIL
    settings = config._inicache  # noqa: SLF001 - there is no other way to set one for a foreign suite
    settings[COUNTING] = True
    suite = given_suite()
    SCOPE.open(suite.path if suite else config.rootpath, suite.helpers if suite else ())
    rewrite_own_modules(config.pluginmanager.rewrite_hook)
    if CACHE_DIR in os.environ:  # keeps the suite's folder unchanged; its own `--ff` or `--lf` finds nothing
        settings["cache_dir"] = os.environ[CACHE_DIR]


def start(config: pytest.Config) -> EvidenceSession:
    """Reject options that would falsify evidence, install the counters and open the session."""
    options.neutralise(config)
    if getattr(config.option, "numprocesses", None) or "PYTEST_XDIST_WORKER" in os.environ:
        raise pytest.UsageError(
            "Evidence is gathered in one process: run the suite without `-n`, or with `-p no:xdist`."
        )
    if config.getoption("assertmode") != "rewrite":
        raise pytest.UsageError("Assertions cannot be counted with `--assert=plain`: leave that option out.")
    recorders.install()
    assertions.install()
    passing.install()
    config.pluginmanager.register(FixtureCounts((session := EvidenceSession(config)).collect_children))
    return session


class EvidenceSession:
    """The plugin object of an active session."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.backend = options.backend_of(config)
        self.pass_number = int(os.environ.get("NIGHTPROOF_PASS", "1"))
        self.is_bare = "NIGHTPROOF_EVENT_LOG" not in os.environ
        home = Path(".nightproof") / "adhoc" / run_id()
        self.log_path = Path(os.environ.get("NIGHTPROOF_EVENT_LOG", home / "events.jsonl"))
        self.evidence_dir = Path(os.environ.get("NIGHTPROOF_EVIDENCE_DIR", home / "evidence"))
        self._tests: dict[pytest.Item, list[Selected]] = {}  # one item may stand for several tests
        self._deselection = Deselection(config)
        self._is_chosen = False
        self.summary: list[str] = []
        self.server = Seen()
        self.has_passed = True
        self._was_cut = False
        self._execution: Execution | None = None
        self._pid = os.getpid()
        self._suites = Suites()
        RECORDING.has_exact_inventory = "exact_inventory" in os.environ.get("NIGHTPROOF_NEEDS", "").split(",")
        self._calls = CallLog.from_environment(os.environ)
        self._redactor = folder.environment_redactor()
        self._children: Children | None = None
        self._log: EventLog | None = None
        self._time_limits = TimeLimits(config, lambda **line: self._write("TimeLimit", **line))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Any:
        """Select the tests of this process after the suite's own hooks have selected; serial tests run last."""
        whole = list(items)
        result = yield
        self._select(items, [item for item in whole if item not in set(items)])
        return result

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Record what deselects tests in the suite; our own deselections belong to another process."""
        if not self._is_chosen:
            self._deselection.note(items)

    def _select(self, items: list[pytest.Item], left_out: list[pytest.Item]) -> None:
        self._is_chosen = True
        found = tell_apart(map(self._suites.describe, items))
        gone = {self._suites.describe(item).id: self._deselection.by(item) for item in left_out}
        if "NIGHTPROOF_CATALOGUE_OUT" in os.environ:
            write_catalogue(Path(os.environ["NIGHTPROOF_CATALOGUE_OUT"]), found, gone)
            return
        wanted = wanted_ids()
        asked = [test for test in found if wanted is None or test.id in wanted]
        if not self.config.option.collectonly:
            self._begin(asked)
        for test_id in sorted(gone.keys() & (wanted or ())):
            self._write("NotStarted", prefix=test_id, why=f"declared, but left out by {gone[test_id]}")
        kept = []
        for test in asked:
            reason = unsupported_reason(test.case, self.backend)
            if reason:
                self._write("Unsupported", id=test.id, reason=reason)
                self.summary.append(f"{test.id}: unsupported, {reason}")
            else:
                limit_time(test.item, test.suite.test_timeout_s)
                kept.append(test)
        kept.sort(key=lambda test: test.case.serial)
        self._keep(items, kept)

    def _keep(self, items: list[pytest.Item], kept: list[Selected]) -> None:
        for test in kept:
            self._tests.setdefault(test.item, []).append(test)
        dropped = [item for item in items if item not in self._tests]
        items[:] = [test.item for test in kept]
        if dropped:
            self.config.hook.pytest_deselected(items=dropped)

    def _begin(self, asked: list[Selected]) -> None:
        self._children = Children()
        suite = asked[0].suite.name if asked else os.environ.get("NIGHTPROOF_SUITE", "")
        if self.is_bare and asked and asked[0].suite.hosts:
            os.environ.setdefault(ENDPOINTS, " ".join(asked[0].suite.hosts))
        self._guarded(self._open)
        self._write(
            "CellStart",
            schema=SCHEMA,
            run_id=run_id(),
            suite=suite,
            backend=self.backend,
            **{"pass": self.pass_number},
            process=int(os.environ.get("NIGHTPROOF_PROCESS", "1")),
            time=utc_now(),
            versions=versions_here(),
            endpoints=os.environ.get(ENDPOINTS, "").split(),
        )
        self._write("Collected", ids=[test.id for test in asked])

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        """Write a test's first line before any of its code runs, and its evidence after the last teardown."""
        self._execution, self._selected = None, self._tests[item].pop(0)
        self._begin_execution(item)
        try:
            return (yield)
        finally:
            self._finish_execution()

    def _begin_execution(self, item: pytest.Item) -> None:
        """Open an attempt; a test that the suite's own plugins rerun has several in one protocol."""
        number = self._execution.number + 1 if self._execution else 1
        self._execution = Execution(item, number)
        test_id = self._selected.id
        # The cells of a night run side by side: without the backend two tests would answer for each other's requests.
        attempt = f"{self.pass_number}.{number}" if number > 1 else str(self.pass_number)
        prefix = f"{run_id()}:{attempt}:{hex16(f'{self.backend}:{test_id}')}"
        self._write("TestStart", id=test_id, nodeid=item.nodeid, time=utc_now(), execution=number)
        self.server, self.has_passed = Seen(), True
        RECORDING.test = TestState(test_id, prefix, tag=run_tag(run_id()), properties=item.user_properties)
        if self._children:
            self._children.begin(prefix)

    def _finish_execution(self) -> None:
        state, execution = RECORDING.test, self._execution
        if self._children:
            self._children.end()
        RECORDING.test = None
        if state is not None and execution is not None:
            for report in execution.unreported():
                self._append(report)  # marked, because plain pytest does not count it as a failure
            state.proof = proof_of(state, self._selected.suite.evidence)
            self._finish(state, execution)

    def collect_children(self) -> None:
        """Add what child processes of the running test have counted by now."""
        if self._children:
            self._children.collect()

    def _finish(self, state: TestState, execution: Execution) -> None:
        self._write(
            "TestEvidence",
            **fields_of(state, self.server),
            phases=sorted(execution.phases),
            exchange=folder.failed_exchange(state),
            time=utc_now(),
        )
        self.summary.append(line_of(state))
        if not self.has_passed or not state.assertions or not state.proof:
            given = self.config.invocation_params
            again = rerun.arguments_of(given.args, self.config.args, execution.item.nodeid)
            attempt = folder.FailedAttempt(
                state, self.backend, self.pass_number, again, str(given.dir), execution.number
            )
            self._guarded(lambda: folder.leave(self.evidence_dir, attempt, self._redactor))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Any:
        """Enter the set-up phase; a second one in one protocol is a plugin's rerun, which is an attempt of its own."""
        if self._execution is not None and "setup" in self._execution.phases:
            self._finish_execution()
            self._begin_execution(item)
        return (yield from self._phase("setup"))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self) -> Any:
        """Enter the call phase; when it is over, and before any teardown, query the servers for what they saw."""
        try:
            return (yield from self._phase("call"))
        finally:
            self._ask_servers()
            self._enter("teardown")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Any:
        """Enter the tear-down phase."""
        return (yield from self._phase("teardown"))

    def _phase(self, phase: Phase) -> Generator[None, Any, Any]:
        """Enter a phase and keep its error: a plugin that reruns the test may not report it."""
        self._enter(phase)
        phases = self._execution.phases if self._execution is not None else {}
        phases[phase] = None
        try:
            return (yield)
        except BaseException as error:
            phases[phase] = error
            raise

    def _enter(self, phase: Phase) -> None:
        if RECORDING.test is not None:
            RECORDING.test.phase = phase
        if self._children:
            self._children.enter(phase)

    def _ask_servers(self) -> None:
        state = RECORDING.test
        if state is not None and self._children:
            self._children.collect()
            # Unrecorded exchanges carry no header of ours: no server can count them.
            self.server = self._calls.count(state.prefix, sum(state.exchanges.values()) - state.unrecorded)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> Any:
        """Mark the report with facts that a message only hints at, and keep it in case that no plugin logs it."""
        report = yield
        if call.excinfo is not None:
            error = call.excinfo.value
            report.nightproof_timeout = is_time_limit(error)
            report.nightproof_outside = outside_cause(error, call.when)
            report.nightproof_kind = kind_of(error)
        if report.outcome != "passed":
            self.has_passed = False
        if self._execution is not None:
            self._execution.made(report)
        return report

    # the event log

    def pytest_sessionstart(self) -> None:
        """Drop what was recorded before: from here on only tests count."""
        RECORDING.test = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Append a phase of a test as pytest-reportlog would."""
        if self._execution is not None:
            self._execution.logged(report)
        self._append(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Append what could not be collected, or was skipped whole: its tests have no event of their own."""
        if not report.passed and not self.config.option.collectonly:
            self._guarded(self._open)
            self._append(report)
            prefix = self._suites.prefix(report.nodeid, self.config.rootpath)
            self._write("NotStarted", prefix=prefix, why=why_not_collected(report), skipped=report.skipped)

    def pytest_keyboard_interrupt(self) -> None:
        """Note that the session was cut short; after `pytest.exit` the exit code may still claim success."""
        self._was_cut = True

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Append the last line."""
        if self._was_cut:
            session.exitstatus = pytest.ExitCode.INTERRUPTED
        self._write("CellEnd", exit=int(session.exitstatus), time=utc_now())

    def pytest_unconfigure(self) -> None:
        """Restore pytest-timeout's own function and remove the file of the children's counts."""
        self._time_limits.close()
        if self._children:
            self._children.close()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the evidence of each test, for a person who runs pytest by hand."""
        if self.is_bare and self.summary:
            terminalreporter.section("nightproof evidence")
            for line in self.summary:
                terminalreporter.write_line(line)
            terminalreporter.write_line(f"event log: {self.log_path}")

    def _open(self) -> None:
        if self._log is None:
            self._log = EventLog(self.log_path, self._redactor.data)

    def _append(self, report: Any) -> None:
        data = report
        if not isinstance(report, dict):
            data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        if self._log is not None and data is not None:
            if "_report_type" in data:  # sub-tests name their kind so
                data["$report_type"] = data.pop("_report_type")
            log = self._log
            self._guarded(lambda: log.append(data))

    def _write(self, kind: str, **fields: Any) -> None:
        if self._log is not None:
            log = self._log
            self._guarded(lambda: log.write(kind, **fields))

    def _guarded(self, write: Any) -> None:
        """Write, or end the process at once: a night must not go on without its event log."""
        if os.getpid() != self._pid:
            os._exit(EXIT_FORKED)  # a child that a test forked and let go on would run and report all tests again
        try:
            write()
        except OSError as error:
            capture = self.config.pluginmanager.getplugin("capturemanager")
            if capture is not None:
                capture.suspend_global_capture(in_=True)
            sys.stderr.write(
                f"nightproof: cannot write `{error.filename or self.log_path}`: {error.strerror}. "
                "Free space or correct permissions there, then run again.\n"
            )
            sys.stderr.flush()
            os._exit(EXIT_LOG_LOST)
