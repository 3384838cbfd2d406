"""The end of a night: settle the ledger, judge, publish, notify, and add the delivery to the report."""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from typing import Final

from botocore.exceptions import BotoCoreError
from botocore.exceptions import ClientError
from sqlalchemy.exc import SQLAlchemyError

from nightproof import ledger
from nightproof.errors import NightproofError
from nightproof.errors import UsageError
from nightproof.evidence.suite import load_suite
from nightproof.history.address import default_url
from nightproof.history.index import History
from nightproof.history.nights import last_alarm
from nightproof.night import RESERVED
from nightproof.night import now
from nightproof.progress import announce
from nightproof.records import NOT_ASKED
from nightproof.records import STAGES
from nightproof.records import SlackDelivery
from nightproof.redact import shown_id
from nightproof.report import slack
from nightproof.report import store
from nightproof.report.notifier import create_notifier
from nightproof.report.publish import patch_delivery
from nightproof.report.publish import publish
from nightproof.runner.events import logs_of
from nightproof.runner.events import read_cell
from nightproof.side_by_side import Finding
from nightproof.verdict.assemble import CellFacts
from nightproof.verdict.assemble import RunFacts
from nightproof.verdict.assemble import build_report
from nightproof.verdict.assemble import declared
from nightproof.verdict.quarantine import read_quarantine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nightproof.history.nights import Night as EarlierNight
    from nightproof.night import Night
    from nightproof.plan import CellSpec
    from nightproof.records import RunReport
    from nightproof.verdict.quarantine import QuarantineEntry

STORES: Final = frozenset({"aws", "testbed"})  # the embedded systems that every deletion needs
log = logging.getLogger(__name__)


def settle(night: Night) -> None:
    """Delete the ledger's resources, then audit by a fresh listing; without a target there is no audit."""
    night.release_reserve()
    _drop_homes(night, night.run_dir)
    context = night.clean_context()
    if context is None:
        return
    if STORES & set(night.note_deaths()):
        # Clients retry a dead storage for long. The next night sweeps the entries that stay open in the ledger.
        night.audit = ledger.sums(night.run_dir, 0, night.swept)
        return
    ledger.clean_run(night.run_dir, context)
    night.audit = ledger.audit(night.run_dir, context, night.swept)


def sweep(night: Night) -> None:
    """Close the ledgers of earlier runs; what cannot be deleted stays in its run's ledger for the next sweep."""
    for earlier in night.run_dir.parent.glob("*"):
        if not earlier.is_symlink() and earlier != night.run_dir:
            _drop_homes(night, earlier)
            (earlier / RESERVED).unlink(missing_ok=True)  # a killed night could not give it back
    context = night.clean_context()
    if context is not None:
        night.findings += ledger.recover(night.run_dir.parent, night.plan.run_id, context)
        night.swept = ledger.sweep(night.run_dir.parent, night.plan.run_id, context)


def _drop_homes(night: Night, run_dir: Path) -> None:
    """Delete the cells' homes: clients keep sign-in sessions there, and run directories are copied and shared."""
    for home in (*run_dir.glob("cells/*/home"), *run_dir.glob("cells/*/home.[0-9]*")):  # one of each pass
        try:
            shutil.rmtree(home)
        except OSError as error:
            night.violations.append(
                f"`{home}` may hold sign-in sessions and could not be deleted ({error.strerror}): delete it by hand."
            )


def judge(night: Night) -> RunReport:
    """Return the report of everything known so far; writes nothing."""
    return build_report(_facts(night, _earlier(night)))


def publish_night(night: Night) -> None:
    """Write the report with its companion files, reconcile the written files, and index the report."""
    earlier = _earlier(night)
    facts = _facts(night, earlier)
    night.report = publish(
        build_report(facts), night.run_dir, declared(facts), redact=night.redactor.text, nights=earlier
    )
    _index(night, night.report)


def notify(night: Night) -> None:
    """Send the message to Slack, or keep it as a file; an outage shows in the report and never changes the verdict."""
    if night.report is None:
        return
    profile, earlier = night.plan.profile, _earlier(night)
    alarm = last_alarm(earlier)
    link = store.link(night.run_dir, profile.artifact_store, profile.report_base_url)
    message = slack.render(night.report, link, mention=profile.slack.mention, alarm=alarm, run_link=night.run_link)
    notifier = create_notifier(profile.slack, night.secrets, night.run_dir / "slack.json")
    night.slack = notifier.deliver(message, alarm)
    if night.slack.trouble:
        announce("notify", night.redactor.text(f"the Slack message was not delivered: {night.slack.trouble}"))


def finish(night: Night) -> None:
    """Add delivery and late stages to report.json, index it, and copy the run directory to the artifact store."""
    if night.report is None:
        return
    profile = night.plan.profile
    delivery = night.slack or SlackDelivery(error=NOT_ASKED)
    earlier = _earlier(night) if delivery.trouble else ()
    night.report = patch_delivery(
        night.run_dir, delivery, _stages(night), now(), redact=night.redactor.text, nights=earlier
    )
    _index(night, night.report, (night.run_dir / "report.json").stat().st_mtime_ns)
    try:
        s3 = night.target.seeder_s3() if night.target else None
        store.copy_run(night.run_dir, profile.artifact_store, profile.report_base_url, s3)
    except (OSError, NightproofError, BotoCoreError, ClientError) as error:
        log.warning("The run directory was not copied to `%s`: %s", profile.artifact_store, error)


def _facts(night: Night, earlier: tuple[EarlierNight, ...]) -> RunFacts:
    plan = night.plan
    return RunFacts(
        run_id=plan.run_id,
        profile=plan.profile,
        started=plan.started,
        ended=now(),
        cells=tuple(cell_facts(night.run_dir, cell, night.redactor.text) for cell in plan.cells),
        interrupted=night.interrupted,
        blocked=night.blocked,
        checks=tuple(night.checks),
        seeds=tuple(night.seeds),
        ledger=night.audit,
        stages=_stages(night),
        versions=night.versions(),
        builds=night.builds,
        suite_hash=plan.suite_hash,
        seed_hash=plan.seed_hash,
        run_key=plan.run_key(night.builds),
        rerun=plan.rerun,
        slack=SlackDelivery(channel=plan.profile.slack.channel or None),
        nights=earlier,
        quarantine=quarantine(plan.cells, night.redactor.text),
        system_deaths=night.system_deaths,
        violations=tuple(night.violations),
        findings=tuple(Finding("ledger", "", "", "", sentence) for sentence in night.findings),
    )


def cell_facts(run_dir: Path, cell: CellSpec, redact: Callable[[str], str]) -> CellFacts:
    """Return the facts from a planned cell's event logs, with test ids masked for people."""
    folder = run_dir / "cells" / cell.key
    show = partial(shown_id, redact=redact)
    events = read_cell(folder).shown(show) if logs_of(folder) else None
    tests = {show(test_id): replace(test, id=show(test_id)) for test_id, test in cell.tests.items()}
    output = folder / "output.log"
    shown = os.path.relpath(output, run_dir) if output.is_file() else None
    reasons = load_suite(cell.path).unsupported
    return CellFacts(cell.suite, cell.backend, tests, events, cell.blocked, shown, reasons)


def cell_dir(night: Night, cell: CellSpec) -> Path:
    """Return the folder of one cell's event log, output and ledger."""
    return night.run_dir / "cells" / cell.key


def quarantine(cells: tuple[CellSpec, ...], redact: Callable[[str], str]) -> tuple[QuarantineEntry, ...]:
    """Read `quarantine.toml` in the folder of every suite; return its entries with masked ids."""
    paths = dict.fromkeys(cell.path for cell in cells)
    found = [entry for path in paths for entry in read_quarantine(path / "quarantine.toml")]
    return tuple(replace(entry, id=shown_id(entry.id, redact)) for entry in found)


def _stages(night: Night) -> dict[str, float]:
    return {name: night.stages.get(name, 0.0) for name in STAGES}


def _history_url(night: Night) -> str:
    return night.plan.profile.history_url or default_url(night.plan.state_dir)


def _index(night: Night, report: RunReport, stamp: int = 0) -> None:
    """Add a report to the history; a failure is only logged, as the index can be rebuilt."""
    try:
        with History(_history_url(night)) as history:
            history.add(report, stamp)
    except (SQLAlchemyError, UsageError) as error:
        _tell_of_history(night, error)


def _earlier(night: Night) -> tuple[EarlierNight, ...]:
    """Return the nights before this one; empty without a readable history, so that this night counts as the first."""
    plan = night.plan
    try:
        with History(_history_url(night)) as history:
            for damaged in history.sync(night.run_dir.parent):
                announce("verdict", damaged)
            nights = history.nights(plan.profile.name, plan.profile.target, before=plan.started)
    except (SQLAlchemyError, UsageError) as error:
        _tell_of_history(night, error)
        return ()
    return tuple(found for found in nights if found.run_id != plan.run_id)


def _tell_of_history(night: Night, error: Exception) -> None:
    why = str(getattr(error, "orig", None) or error)
    sentence = (
        f"The history `{_history_url(night)}` cannot be used: {why}. Mend or remove it, then run "
        "`nightproof history --rebuild`."
    )
    log.warning("%s", night.redactor.text(sentence))
    announce("verdict", night.redactor.text(sentence))
