"""Run any public pytest suite plain and through nightproof, and compare test by test.

Example, with the unpacked source archive of a library and an environment that has what its tests need:

  python -m bench.public_suites itsdangerous-2.2.0/tests --python venv/bin/python --rounds 3 --markdown table.md
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from typing import NamedTuple

from bench.suite_comparison import HEAD
from bench.suite_comparison import Comparison
from bench.suite_comparison import Side
from bench.suite_comparison import compare
from bench.suite_comparison import row
from bench.timing import table
from nightproof.evidence.eventlog import printable
from nightproof.evidence.suite import load_suite
from nightproof.runner.cell import CellPlan
from nightproof.runner.cell import GroupRegistry
from nightproof.runner.cell import run_cell
from nightproof.runner.command import project_root
from nightproof.runner.events import read_cell
from nightproof.runner.world import World
from nightproof.runner.world import interpreter_at
from nightproof.verdict import catalogue
from nightproof.verdict import outcomes
from nightproof.verdict import registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterable
    from collections.abc import Mapping
    from collections.abc import Sequence

RECORDER: Final = Path(__file__).with_name("plain_recorder.py")
SHARED: Final = ("--continue-on-collection-errors", "--maxfail=0", "-v", "--color=no")  # a cell passes these too
WORST: Final = ("passed", "xpassed", "xfailed", "skipped", "failed", "error")


@dataclass(frozen=True, slots=True)
class Suite:
    """A folder with tests and how to run them; `name` begins its test ids, `library` and `version` are for people."""

    path: Path
    name: str
    library: str
    version: str
    world: World
    timeout_s: float


@dataclass(frozen=True, slots=True)
class PlainRun:
    """The result of plain pytest, with the other processes that each test connected to."""

    side: Side
    peers: Mapping[str, tuple[str, ...]]


class Took(NamedTuple):
    """Seconds of a run: wall clock and CPU."""

    whole_s: float
    cpu_s: float


class Clock:
    """Measures from its creation on; CPU time is that of child processes that have ended."""

    def __init__(self) -> None:
        self._begun = self._now()

    @staticmethod
    def _now() -> Took:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return Took(time.monotonic(), used.ru_utime + used.ru_stime)

    def took(self) -> Took:
        """Return the time since creation."""
        return Took(*(now - then for now, then in zip(self._now(), self._begun, strict=True)))


def run_plain(suite: Suite, folder: Path, *, peers: bool = False) -> PlainRun:
    """Run plain pytest in the user's own environment, and read what it reported."""
    folder.mkdir(parents=True)
    log = folder / "plain.jsonl"
    shutil.copy(RECORDER, folder / RECORDER.name)
    python = suite.world.python or Path(sys.executable)
    command = [str(python), "-m", "pytest", "-p", "no:nightproof", "-p", RECORDER.stem, *suite.world.pytest_args]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "NIGHTPROOF_"))}
    env |= {"PYTHONPATH": str(folder), "PLAIN_LOG": str(log), "PATH": f"{python.parent}{os.pathsep}{env['PATH']}"}
    env |= {"PLAIN_PEERS": "1"} if peers else {}
    begun = Clock()
    whole = [*command, *SHARED, "-p", "no:cacheprovider", str(suite.path)]
    _wait(whole, env, suite, folder / "output.log")
    took = begun.took()
    if not log.exists():
        raise SystemExit(f"Plain pytest did not start on `{suite.path}`: read {folder / 'output.log'}.")
    return _read_plain(suite, [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()], took)


def _wait(command: Sequence[str], env: Mapping[str, str], suite: Suite, output: Path) -> None:
    """Run pytest in a session of its own and kill its process group afterwards; a timeout ends the command."""
    with output.open("w") as file, subprocess.Popen(
        command, cwd=project_root(suite.path), env=env, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            process.wait(suite.timeout_s)
        except subprocess.TimeoutExpired as error:
            last = output.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise SystemExit(
                f"Plain pytest took over {suite.timeout_s:.0f} s on `{suite.path}`, at {last}: raise `--timeout`, "
                "or leave that file out with `--only`."
            ) from error
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _read_plain(suite: Suite, lines: Sequence[dict[str, Any]], took: Took) -> PlainRun:
    ids = {nodeid: _test_id(suite, nodeid, path) for line in lines for nodeid, path in line.get("tests", ())}
    ends: dict[str, str] = {}
    whys: dict[str, str] = {}
    peers: dict[str, tuple[str, ...]] = {}
    for line in lines:
        test = ids.get(line.get("nodeid", ""), "")
        if line["kind"] == "report":
            end = _end_of(line)
            ends[test] = max(ends.get(test, "passed"), end, key=WORST.index)
            whys[test] = line["text"] or whys.get(test, "")
        elif line["kind"] == "peer":
            peers[test] = tuple(dict.fromkeys((*peers.get(test, ()), line["peer"])))
    starts = [line["time"] for line in lines if line["kind"] == "start"]
    tests_s = lines[-1]["time"] - starts[0] if starts else 0.0
    return PlainRun(Side(ends, whys, took.whole_s, tests_s, took.cpu_s), peers)


def _end_of(line: dict[str, Any]) -> str:
    """Return pytest's own outcome of a report."""
    if line["outcome"] == "failed":
        return "failed" if line["when"] == "call" else "error"
    if line["xfail"]:
        return "xpassed" if line["outcome"] == "passed" else "xfailed"
    return "skipped" if line["outcome"] == "skipped" and not line["sub"] else "passed"


def _test_id(suite: Suite, nodeid: str, path: str) -> str:
    """Return the id under which nightproof knows a test."""
    file = Path(path).relative_to(suite.path).with_suffix("").as_posix()
    return printable(f"{suite.name}/{file}::{nodeid.partition('::')[2]}")


def run_ours(suite: Suite, folder: Path, declared: catalogue.SuiteCatalogue) -> Side:
    """Run the declared tests through a cell and judge them; skips are registered as `catalogue --from-run` does."""
    plan = CellPlan(
        suite.path,
        suite.name,
        "default",
        folder / "cell",
        {},
        suite.timeout_s,
        tuple(declared.tests),
        world=suite.world,
    )
    begun = Clock()
    run_cell(plan, lambda _lines: None, GroupRegistry())
    took = begun.took()
    events = read_cell(plan.cell_dir)
    whole = {test: events.why_not_started(test) for test in declared.tests}
    seen = {test: why for test, why in whole.items() if why.startswith("skip: ")} | events.skips
    locked = registry.register(declared, None, seen, datetime.now(UTC).date())
    verdicts = outcomes.judge(suite.name, "default", locked.tests, events)
    first = min((tries[0].started for tries in events.attempts.values() if tries), default=None)
    tests_s = (events.ended - first).total_seconds() if first and events.ended else 0.0
    ends = {one.id: one.verdict.value for one in verdicts}
    return Side(ends, {one.id: one.reason for one in verdicts}, took.whole_s, tests_s, took.cpu_s)


def compare_suite(suite: Suite, rounds: int, folder: Path, say: Callable[[str], None]) -> Comparison:
    """Run both sides in alternating order, after one plain run that only records connections."""
    say(f"{suite.library}: collecting")
    declared = catalogue.collect(suite.path, world=suite.world)
    say(f"{suite.library}: {len(declared.tests)} tests; watching the connections of plain pytest")
    peers = run_plain(suite, folder / "peers", peers=True).peers
    plain: list[Side] = []
    ours: list[Side] = []
    for number in range(rounds):
        steps = ["plain", "nightproof"] if number % 2 == 0 else ["nightproof", "plain"]
        for step in steps:
            say(f"{suite.library}: round {number + 1} of {rounds}, {step}")
            if step == "plain":
                plain.append(run_plain(suite, folder / f"plain.{number}").side)
            else:
                ours.append(run_ours(suite, folder / f"ours.{number}", declared))
    return compare(suite.library, suite.version, plain, ours, peers)


def left_out(path: Path, only: Sequence[str]) -> tuple[str, ...]:
    """Return a pytest `--ignore` argument for every test file that matches no pattern."""
    files = [*path.rglob("test_*.py"), *path.rglob("*_test.py")] if only else []
    names = ((file, file.relative_to(path).as_posix()) for file in files)
    return tuple(f"--ignore={file}" for file, name in names if not any(fnmatch(name, pattern) for pattern in only))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m bench.public_suites", description=__doc__, formatter_class=form)
    parser.add_argument("suites", nargs="+", type=Path, metavar="SUITE", help="folder with tests of one suite")
    parser.add_argument("--python", type=Path, help="interpreter or virtual environment with pytest and the library")
    parser.add_argument("--name", default="", help="what the suite is called in the table")
    parser.add_argument("--only", action="append", default=[], help="pattern of test files, from the suite's folder")
    parser.add_argument("--arg", action="append", default=[], help="a further argument for pytest, on both sides")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each side (3); times are medians")
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds that one run may take (600)")
    parser.add_argument("--json", type=Path, help="where the whole comparison is written")
    parser.add_argument("--markdown", type=Path, help="where the table is written")
    given = parser.parse_args()
    if given.rounds < 1:
        parser.error(f"`--rounds {given.rounds}`: give 1 or more.")
    missing = next((path for path in given.suites if not path.is_dir()), None)
    if missing:
        parser.error(f"There is no folder `{missing}`: give the folder that holds the suite's tests.")
    return given


def suite_at(path: Path, given: argparse.Namespace) -> Suite:
    """Return the suite at a folder; a source archive's folder is named after the library and its version."""
    path = path.absolute()
    library, _, version = project_root(path).name.rpartition("-")
    python = interpreter_at(given.python.absolute()) if given.python else None
    world = World(python, pytest_args=(*left_out(path, given.only), *given.arg))
    world.versions()
    return Suite(path, load_suite(path).name, given.name or library or version, version, world, given.timeout)


@dataclass(frozen=True, slots=True)
class Progress:
    """Prints progress lines, each behind the suite's number."""

    place: str

    def __call__(self, text: str) -> None:
        """Print one line to stderr, beside the results on stdout."""
        print(self.place, text, file=sys.stderr, flush=True)  # noqa: T201 - progress of a command


def written(comparisons: Iterable[Comparison]) -> list[dict[str, Any]]:
    """Return the comparisons as JSON data."""
    extra = ("ratio", "cpu_ratio", "per_test_ms", "broken")
    return [asdict(one) | {name: getattr(one, name) for name in extra} for one in comparisons]


def report(found: Sequence[Comparison], given: argparse.Namespace) -> None:
    """Print the table and every broken rule; write the requested files."""
    shown = table(HEAD, [row(one) for one in found])
    print("\n".join([shown, *(sentence for one in found for sentence in one.broken)]))  # noqa: T201 - its output
    if given.json:
        given.json.write_text(json.dumps(written(found), indent=2) + "\n", encoding="utf-8")
    if given.markdown:
        given.markdown.write_text(shown + "\n", encoding="utf-8")


def main() -> int:
    """Compare each suite; return 1 when a rule is broken."""
    given = arguments()
    found = []
    with tempfile.TemporaryDirectory(prefix="public-suites-") as folder:
        for number, path in enumerate(given.suites, start=1):
            say = Progress(f"[{number}/{len(given.suites)}]")
            found.append(compare_suite(suite_at(path, given), given.rounds, Path(folder) / str(number), say))
    report(found, given)
    return 1 if any(one.broken for one in found) else 0


if __name__ == "__main__":
    sys.exit(main())
