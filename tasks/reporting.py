"""Judge and publish, then leave the short form as Prefect artifacts."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Final

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from nightproof import conclusion
from nightproof.report import text

if TYPE_CHECKING:
    from nightproof.night import Night

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
    """Leave one screen of Markdown under a stable key, so that the UI shows a timeline of nights."""
    if night.report is None:
        return
    lines = text.render(night.report, str(night.run_dir / "report.html")).splitlines()[:SCREEN_LINES]
    shown = night.redactor.text("\n".join(lines))
    description = f"{night.plan.run_id}: {night.report.cause or 'GREEN'}"
    create_markdown_artifact(f"```text\n{shown}\n```", key="nightly-report", description=description)


@task(name="finish", cache_policy=NO_CACHE)
def finish(night: Night) -> None:
    """Stop the target and patch delivery and late stages into the report."""
    with night.stage("stop"):
        if night.target is not None:
            night.target.stop()
    conclusion.finish(night)
