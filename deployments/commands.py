"""The commands as functions that return text; only the command line prints."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import TYPE_CHECKING
from typing import Any

from nightproof.config.loader import load
from nightproof.config.loader import load_profile
from nightproof.config.places import require_history
from nightproof.config.places import require_state_dir
from nightproof.doctor import diagnose
from nightproof.doctor import render
from nightproof.environment import cell_environment
from nightproof.environment import endpoints
from nightproof.errors import UsageError
from nightproof.evidence.wire.endpoints import VARIABLE as ENDPOINTS
from nightproof.housekeeping import clean_earlier
from nightproof.housekeeping import opened
from nightproof.onboarding import words
from nightproof.onboarding.init import set_up
from nightproof.plan import RUN_ID
from nightproof.plan import Choice
from nightproof.plan import make_plan
from nightproof.plan import new_run_id
from nightproof.progress import announce
from nightproof.prove import results as proofs
from nightproof.prove.run import prove as run_proof
from nightproof.prune import plan_prune
from nightproof.prune import prune as delete_pruned
from nightproof.report import text
from nightproof.report.files import dump_report
from nightproof.report.files import read_report
from nightproof.runner.events import read_cell
from nightproof.seeds import seed_target
from nightproof.verdict import catalogue as catalogues
from nightproof.verdict import registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Hashable
    from collections.abc import Mapping
    from collections.abc import Sequence
    from pathlib import Path

    from nightproof.prove.plan import Selection
    from nightproof.prove.run import Options
    from nightproof.records import SeedResult
    from nightproof.runner.world import World


def doctor(profile_given: str, *, as_json: bool) -> tuple[str, bool]:
    """Diagnose; return the text and whether every required check passed."""
    told = load(profile_given)
    diagnosis = diagnose(make_plan(told.profile, Choice(), new_run_id(), profile_given), told.secrets)
    shown = json.dumps(diagnosis.as_data(), indent=2) if as_json else render(diagnosis)
    return shown, diagnosis.is_well


def seed(profile_given: str, *, as_json: bool) -> str:
    """Seed the target; return one line per seed, and one per repair."""
    told = load(profile_given, for_tests=False)
    with opened(told.profile, told.secrets, "seed") as target:
        results = seed_target(target, lambda name, done, of: announce("seed", name, done, of))
    if as_json:
        return json.dumps([asdict(result) for result in results], indent=2)
    return "\n".join(line for result in results for line in _seed_lines(result))


def _seed_lines(result: SeedResult) -> list[str]:
    counts = f"{result.files} files, {result.bytes} bytes, {result.uploaded_bytes} bytes uploaded"
    return [
        f"{result.name}: {counts}, {result.repaired} repaired", *(f"  repaired {repair}" for repair in result.repairs)
    ]  # fmt: skip


def testbed(profile_given: str, *, seeded: bool, show: Callable[[str], None]) -> None:
    """Serve the testbed until a signal; show its environment as `export` lines once it is ready."""
    told = load(profile_given, for_tests=False)
    profile = told.profile
    if profile.target != "embedded":
        raise UsageError(f"The profile `{profile.name}` is live: there is no testbed to start. Use an embedded one.")
    with opened(profile, told.secrets, "testbed") as target:
        if seeded:
            seed_target(target, lambda name, done, of: announce("seed", name, done, of))
        declared = {ENDPOINTS: " ".join(endpoints(target))}
        for name, value in sorted((cell_environment(target) | declared).items()):
            show(f"export {name}={shlex.quote(value)}")
        if target.process is not None:
            target.process.wait()


def cleanup(
    profile_given: str, run_id: str | None, min_age_hours: int, *, apply: bool, as_json: bool
) -> tuple[str, bool]:
    """Plan or run the cleanup of earlier runs; return the text and whether no resource leaked."""
    told = load(profile_given, for_tests=False)
    result = clean_earlier(
        told.profile, told.secrets,
        run_id=run_id, min_age=timedelta(hours=min_age_hours), dry_run=not apply,
    )  # fmt: skip
    if as_json:
        return json.dumps(asdict(result), indent=2), not result.leaked
    marks = [("delete", result.planned), ("refuse", result.refused), ("leaked", result.entries_leaked)]
    lines = [f"{mark} {title}" for mark, titles in marks for title in titles]
    return "\n".join([*lines, result.sentence]), not result.leaked


def report(profile_given: str, run_id: str, *, as_json: bool) -> str:
    """Return a run's report as text or as the JSON of report.json; a killed run's report is written now."""
    path = _runs_dir(profile_given) / run_id / "report.json"
    if run_id != "latest" and not RUN_ID.fullmatch(run_id):
        raise UsageError(f"`{run_id}` is no run id: give one that `nightproof history` lists, or `latest`.")
    from nightproof.salvage import salvage  # noqa: PLC0415 - it brings the history, and that brings pandas

    found = read_report(path) if path.is_file() else salvage(profile_given, run_id)
    return dump_report(found) if as_json else text.render(found, str(path.with_name("report.html")))


def _runs_dir(profile_given: str) -> Path:
    state_dir = load_profile(profile_given).state_dir
    require_state_dir(state_dir)
    return state_dir / "runs"


def init(path: Path, urls: Sequence[str], python: Path | None, profile: Path | None, *, as_json: bool) -> str:
    """Set a suite up for its first night; return the findings and the next steps."""
    setup = set_up(path, urls, python, profile)
    return json.dumps(words.as_data(setup), indent=2) if as_json else words.render(setup)


def catalogue(
    paths: tuple[Path, ...], profile_given: str, *, update: bool, from_run: str, as_json: bool
) -> tuple[str, bool]:
    """Compare suites with their lock, or write it; return the text and whether lock and suites agree."""
    if from_run and not update:
        raise UsageError("`--from-run` tells what to register in the lock: add `--update`.")
    profile = load_profile(profile_given)
    chosen = paths or tuple(suite.path for suite in profile.suite)
    worlds = {suite.path.absolute(): suite.world for suite in profile.suite}
    run_dir = profile.state_dir / "runs" / from_run if from_run else None
    found = {
        str(path): _catalogue_one(
            path, profile.collecting(path), worlds.get(path.absolute()), update=update, run_dir=run_dir
        )
        for path in chosen
    }
    is_current = not any(lines for lines in found.values()) or update
    if as_json:
        return json.dumps(found, indent=2), is_current
    shown = [f"{path}: {'; '.join(lines) or 'the lock is current'}" for path, lines in found.items()]
    return "\n".join(shown), is_current


def _catalogue_one(
    path: Path, env: Mapping[str, str], world: World | None, *, update: bool, run_dir: Path | None
) -> list[str]:
    collected = catalogues.collect(path, env, world)
    if update:
        seen = _skips_of(run_dir, collected) if run_dir else {}
        locked = registry.register(collected, catalogues.earlier_lock(path), seen, datetime.now(UTC).date())
        catalogues.write_lock(path, locked)
        counts = [(sum(bool(test.skip) for test in locked.tests.values()), "registered as skipped")]
        counts += [(sum(bool(test.xfail) for test in locked.tests.values()), "as expected failures")]
        counts += [(len(locked.deselected), "left out by the suite itself")]
        return [", ".join([f"wrote {len(locked.tests)} tests", *(f"{n} {what}" for n, what in counts if n)])]
    drift = catalogues.compare(catalogues.read_lock(path), collected)
    kinds = {"added": drift.added, "removed": drift.removed, "changed": drift.changed}
    return [f"{kind} {name}" for kind, names in kinds.items() for name in names]


def _skips_of(run_dir: Path, suite: catalogues.SuiteCatalogue) -> dict[str, str]:
    """Return why a run skipped tests or expected failures, by test id; raise UsageError if the run does not exist."""
    if not run_dir.is_dir():
        raise UsageError(f"There is no run `{run_dir}`: give a run id, or `latest`.")
    found: dict[str, str] = {}
    for backend in suite.backends or ("default",):
        events = read_cell(run_dir / "cells" / f"{suite.suite}-{backend}")
        whole = {test: events.why_not_started(test) for test in suite.tests}
        found |= {test: why for test, why in whole.items() if why.startswith("skip: ")} | events.skips
    return found


def history(profile_given: str, limit: int, *, rebuild: bool, as_json: bool) -> str:
    """List the last nights of a profile, newest first."""
    from nightproof.history.address import default_url  # noqa: PLC0415 - as above
    from nightproof.history.index import History  # noqa: PLC0415 - pandas takes as long to load as all the rest

    profile = load_profile(profile_given)
    state_dir = profile.state_dir
    require_state_dir(state_dir)
    require_history(profile)
    with History(profile.history_url or default_url(state_dir)) as index:
        (index.rebuild if rebuild else index.sync)(state_dir / "runs")
        frame = index.trend(profile.name, profile.target).iloc[::-1].head(limit)
    if as_json:
        return str(frame.to_json(orient="records", date_format="iso", indent=2))
    if frame.empty:
        return f"There is no night of `{profile.name}` yet: start one with `nightproof run`."
    return "\n".join(_night_line(row) for row in frame.to_dict("records"))


def _night_line(row: dict[Hashable, Any]) -> str:
    asked = row["declared"] - row["unsupported"]
    cause = f": {row['cause']}" if row["cause"] else ""
    counts = f"{row['passed']} passed, {row['flaky']} flaky of {asked}, {row['duration_s']:.0f} s"
    return f"{row['run_id']} {row['colour'] or 'interrupted'} {counts}{cause}"


def prune(profile_given: str, keep_days: int, *, apply: bool, as_json: bool) -> str:
    """Plan or do the pruning of old run directories."""
    plan = plan_prune(_runs_dir(profile_given), timedelta(days=keep_days))
    if apply:
        delete_pruned(plan)
    if as_json:
        data = {"runs": plan.runs, "files": len(plan.files), "bytes": plan.size_bytes, "applied": apply}
        return json.dumps(data, indent=2)
    verb = "Deleted" if apply else "Would delete"
    return f"{verb} {len(plan.files)} files ({plan.size_bytes} bytes) of {plan.runs} runs."


def up(profile_given: str, port: int, *, show: Callable[[str], None]) -> None:
    """Run the supervisor until a signal or `down`."""
    from deployments import supervisor  # noqa: PLC0415 - imports Prefect, which reads its settings at import

    supervisor.serve(profile_given, port, show)


def down(profile_given: str) -> str:
    """Ask the supervisor to stop, and wait until it has."""
    from deployments.stopping import stop_supervisor  # noqa: PLC0415 - as above

    return stop_supervisor(load_profile(profile_given).state_dir)


def prove(profile_given: str, selection: Selection, options: Options, *, as_json: bool) -> tuple[str, bool]:
    """Run the suite proof; return the text and whether every named test was killed."""
    told = load(profile_given, for_tests=False)
    summary = run_proof(told.profile, told.secrets, selection, options)
    shown = json.dumps(summary.as_data(), indent=2) if as_json else proofs.text(summary)
    return shown, summary.is_proven
