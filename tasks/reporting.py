"""Judge and publish, then leave the short form as Prefect artifacts."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Final

from prefect import task
from prefect.artifacts import create_link_artifact
from prefect.artifacts import create_markdown_artifact
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from nightproof import conclusion
from nightproof.records import Verdict
from nightproof.report import store
from nightproof.report import text

if TYPE_CHECKING:
    from typing import Any

    from nightproof.night import Night
    from nightproof.records import RunReport

SCREEN_LINES: Final = 40


@task(name="publish", cache_policy=NO_CACHE)
def publish(night: Night) -> None:
    """Render, write, read back, reconcile."""
    with night.stage("verdict"):
        conclusion.judge(night)
    with night.stage("publish"):
        conclusion.publish_night(night)


@task(name="artifacts", cache_policy=NO_CACHE)
def leave_artifacts(night: Night) -> None:
    """Leave summary, matrix and link under stable keys, so that the UI shows a timeline of nights."""
    if night.report is None:
        return
    profile = night.plan.profile
    lines = text.render(night.report, str(night.run_dir / "report.html")).splitlines()[:SCREEN_LINES]
    shown = night.redactor.text("\n".join(lines))
    description = night.redactor.text(f"{night.plan.run_id}: {night.report.cause or 'GREEN'}")
    create_markdown_artifact(f"```text\n{shown}\n```", key="nightly-report", description=description)
    create_table_artifact(_matrix(night.report), key="nightly-matrix", description=description)
    link = store.link(night.run_dir, profile.artifact_store, profile.report_base_url)
    create_link_artifact(link, link_text=night.plan.run_id, key="nightly-link", description=description)


def _matrix(report: RunReport) -> list[dict[str, Any]]:
    """Give one row per suite and backend with the number of tests per verdict."""
    return [
        {"suite": cell.suite, "backend": cell.backend, "declared": cell.declared}
        | {verdict.value: getattr(cell, verdict.value) for verdict in Verdict}
        for cell in report.cells
    ]


@task(name="finish", cache_policy=NO_CACHE)
def finish(night: Night) -> None:
    """Stop the target and patch delivery and late stages into the report."""
    with night.stage("stop"):
        if night.target is not None:
            night.target.stop()
    conclusion.finish(night)
