"""Judge and publish the night, then leave the short form as Prefect artifacts."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Final

from prefect.artifacts import create_link_artifact
from prefect.artifacts import create_markdown_artifact
from prefect.artifacts import create_table_artifact
from prefect.logging import get_run_logger

from nightproof import conclusion
from nightproof.records import Verdict
from nightproof.report import store
from nightproof.report import words
from tasks.masking import task

if TYPE_CHECKING:
    from typing import Any

    from nightproof.night import Night
    from nightproof.records import RunReport

PAGE_LINES: Final = 2000
PAGE_LENGTH: Final = 200_000  # characters; the whole page is in the run directory
LOGGED_TESTS: Final = 50


@task("publish")
def publish(night: Night) -> None:
    """Judge the night, then write the report, read it back and reconcile it."""
    with night.stage("verdict"):
        conclusion.judge(night)
    with night.stage("publish"):
        conclusion.publish_night(night)


@task("artifacts")
def leave_artifacts(night: Night) -> None:
    """Leave report, matrix and link under stable keys, so that the UI shows a timeline of nights; log the failures."""
    if night.report is None:
        return
    profile = night.plan.profile
    _log_failures(night, night.report)
    lines = (night.run_dir / "report.md").read_text(encoding="utf-8").splitlines()
    page = "\n".join(words.first_lines(lines, PAGE_LINES, PAGE_LENGTH))
    description = night.redactor.text(f"{night.plan.run_id}: {night.report.cause or 'GREEN'}")
    create_markdown_artifact(page, key="nightly-report", description=description)
    create_table_artifact(_matrix(night.report), key="nightly-matrix", description=description)
    link = night.redactor.text(store.link(night.run_dir, profile.artifact_store, profile.report_base_url))
    create_link_artifact(link, link_text=night.plan.run_id, key="nightly-link", description=description)


def _log_failures(night: Night, report: RunReport) -> None:
    """Log the night's headline, each test that asks for action, and the path of the page."""
    log = get_run_logger()
    log.info("%s", night.redactor.text(f"{words.colour_word(report)}: {words.headline(report)}"))
    lines = [f"{test.verdict.value.replace('_', ' ')}: {test.id} on {test.backend}" for test in words.unpassed(report)]
    for line in words.first_lines(lines, LOGGED_TESTS):
        log.error("%s", night.redactor.text(words.scrub(line)))
    log.info("Report: %s", night.run_dir / "report.html")


def _matrix(report: RunReport) -> list[dict[str, Any]]:
    """Return one row per suite and backend with the number of tests per verdict."""
    return [
        {"suite": cell.suite, "backend": cell.backend, "declared": cell.declared}
        | {verdict.value: getattr(cell, verdict.value) for verdict in Verdict}
        for cell in report.cells
    ]


@task("finish")
def finish(night: Night) -> None:
    """Stop the target; add the delivery and the late stages to the report."""
    with night.stage("stop"):
        if night.target is not None:
            night.target.stop()
    conclusion.finish(night)
