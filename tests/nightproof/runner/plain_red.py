"""Generated suites, run by plain pytest and by a cell: both must agree on the red tests."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from dataclasses import dataclass
from dataclasses import replace
from textwrap import dedent
from textwrap import indent
from typing import TYPE_CHECKING
from typing import Final

from nightproof.runner.cell import CellPlan
from nightproof.runner.cell import GroupRegistry
from nightproof.runner.cell import run_cell
from nightproof.runner.cell import second_pass
from nightproof.runner.events import read_cell
from nightproof.runner.events import to_repeat
from nightproof.verdict.catalogue import CatalogueTest
from nightproof.verdict.outcomes import judge

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from nightproof.runner.events import CellEvents

SEED: Final = 20261201
TESTS_PER_FILE: Final = 2
GENERATORS: Final = 20  # every 20th file cannot be collected
HEAD: Final = "import asyncio, gc, os, sys, threading, unittest, warnings\nimport pytest\nN = {}\n"
BODIES: Final = {
    "passes": "assert 1 + 1 == 2",
    "asserts": "assert 1 + 1 == 3",
    "raises": "raise ValueError('no value')",
    "fails": "pytest.fail('by hand')",
    "exits": "sys.exit(0)",
    "group": "raise ExceptionGroup('many', [ValueError('one'), KeyError('two')])",
    "base": "class B(BaseException): pass\nraise B('base')",
    "silent": "class X(Exception):\n    def __str__(self): raise KeyError('no str')\nraise X",
    "recursion": "def f(): return f()\nf()",
    "warns": "warnings.warn('careful')",
    "thread": "t = threading.Thread(target=lambda: 1 / 0)\nt.start()\nt.join()",
    "unraisable": "class D:\n    def __del__(self): raise ValueError('in del')\nD()\ngc.collect()",
    "skips": "pytest.skip('not today')",
    "unittest_skip": "raise unittest.SkipTest('not today')",
    "xfails": "pytest.xfail('known')",
    "returns": "return 5",
    "surrogate": "assert '\\udce9' == 'x', '\\udce9'",
    "second": "N[NAME] = N.get(NAME, 0) + 1\nassert N[NAME] > 1",
}
MARKS: Final = (
    "", "", "", "", "@pytest.mark.xfail", "@pytest.mark.xfail(strict=True)", "@pytest.mark.xfail(raises=KeyError)",
    "@pytest.mark.xfail(run=False)", "@pytest.mark.skipif(True, reason='never here')",
    "@pytest.mark.skipif(False, reason='not so')", "@pytest.mark.usefixtures('nowhere')",
    "@pytest.mark.parametrize('x', [])", "@pytest.mark.flaky(reruns=2)",
)  # fmt: skip
SCOPES: Final = ("function", "class", "module")


@dataclass(frozen=True)
class Batch:
    """A folder of suites that one process runs; `ini` is its pytest.ini and `conftest` its conftest.py."""

    name: str
    ini: str
    conftest: str = ""


BATCHES: Final = (
    Batch("plain", ""),
    Batch(
        "strict", "filterwarnings = error\nxfail_strict = true\naddopts = -x --strict-markers\nmarkers = flaky: again"
    ),
    Batch(
        "session",
        "addopts = -p no:timeout",
        "import pytest\n@pytest.fixture(scope='session')\ndef env():\n    yield\n    raise OSError('left')\n",
    ),
)


def function(name: str, rng: random.Random) -> str:
    """Return a test function with a mark, perhaps a parameter."""
    body, mark = rng.choice(list(BODIES)), rng.choice(MARKS)
    given = "x" if "parametrize" in mark else ""
    return f"{mark}\ndef test_{name}({given}):\n{_body(body, name)}"


def coroutine(name: str, rng: random.Random) -> str:
    """Return an asynchronous test, which pytest fails without a plugin."""
    return f"async def test_{name}():\n{_body(rng.choice(['passes', 'asserts']), name)}"


def generator(name: str, rng: random.Random) -> str:
    """Return a test that yields, which pytest refuses to run."""
    return f"def test_{name}():\n    yield {rng.randint(1, 9)}\n"


def fixture(name: str, rng: random.Random) -> str:
    """Return a test whose fixture breaks before or after it."""
    scope, before, after = rng.choice(SCOPES), rng.choice(["passes", "raises", "skips"]), rng.choice(list(BODIES))
    after = "passes" if after in {"skips", "unittest_skip", "xfails", "returns"} else after
    lines = f"{_body(before, name)}    yield\n{_body(after, name)}"
    return (
        f"@pytest.fixture(scope='{scope}')\ndef fix_{name}():\n{lines}"
        f"def test_{name}(fix_{name}):\n{_body(rng.choice(['passes', 'asserts']), name)}"
    )


def methods(name: str, rng: random.Random) -> str:
    """Return a class with pytest's own set-up and tear-down, of which one may break."""
    broken = rng.choice(["setup_method", "teardown_method", "setup_class", "teardown_class", "none"])
    hook = f"    {'@classmethod' if 'class' in broken else ''}\n    def {broken}(self): raise OSError('{broken}')\n"
    tests = [f"    def test_{n}(self):\n{indent(_body(rng.choice(list(BODIES)), name + n), '    ')}" for n in "ab"]
    return f"class Test_{name}:\n{'' if broken == 'none' else hook}{''.join(tests)}"


def unit(name: str, rng: random.Random) -> str:
    """Return a unittest class: sub-tests, expected failures, set-up and tear-down of test and class."""
    broken = rng.choice(["setUp", "tearDown", "setUpClass", "tearDownClass", "none", "none", "none"])
    hook = f"    {'@classmethod' if 'Class' in broken else ''}\n    def {broken}(self): raise OSError('{broken}')\n"
    mark = rng.choice(["", "", "@unittest.expectedFailure", "@unittest.skip('later')"])
    codes = [rng.choice([1, 1, 1, 2]) for _ in range(3)]
    after = rng.choice(["passes", "passes", "asserts", "skips"])
    return (
        f"class Test_{name}(unittest.TestCase):\n{'' if broken == 'none' else hook}    {mark}\n"
        "    def test_sub(self):\n"
        f"        for i in {codes}:\n            with self.subTest(i=i): self.assertEqual(i, 1)\n"
        f"{indent(_body(after, name), '    ')}"
        f"    def test_plain(self):\n{indent(_body(rng.choice(list(BODIES)), name), '    ')}"
    )


def subtests(name: str, rng: random.Random) -> str:
    """Return a test with sub-tests of pytest, some of which fail, skip or are expected to fail."""
    inner = [rng.choice(["passes", "passes", "asserts", "skips", "xfails", "raises"]) for _ in range(3)]
    parts = [f"    with subtests.test(n={n}):\n{indent(_body(one, name), '    ')}" for n, one in enumerate(inner)]
    return f"def test_{name}(subtests):\n{''.join(parts)}{_body(rng.choice(['passes', 'passes', 'asserts']), name)}"


STYLES: Final = (function, function, function, coroutine, fixture, fixture, methods, unit, unit, subtests)


def _body(kind: str, name: str) -> str:
    return indent(BODIES[kind].replace("NAME", repr(name)) + "\n", "    ")


def write_batch(folder: Path, batch: Batch, files: int) -> Path:
    """Write the files of a batch and return their folder; the same seed leads to the same suites."""
    suite = folder / batch.name
    suite.mkdir()
    (suite / "pytest.ini").write_text(f"[pytest]\n{batch.ini}\n")
    (suite / "conftest.py").write_text(batch.conftest)
    if batch.conftest:  # pytest charges the fixture's tear-down to the very last test, which does not use it
        (suite / "test_.py").write_text("def test_user(env): assert 1 + 1 == 2\n")
        (suite / "test_zzz.py").write_text("def test_innocent(): assert 1 + 1 == 2\n")
    rng = random.Random(f"{SEED}-{batch.name}")
    for number in range(files):
        styles = [generator] if number % GENERATORS == 0 else rng.choices(STYLES, k=TESTS_PER_FILE)
        tests = [style(f"{number}_{n}", rng) for n, style in enumerate(styles)]
        (suite / f"test_{number:03}.py").write_text("\n\n".join([HEAD, *map(dedent, tests)]))
    return suite


def plain_outcomes(suite: Path) -> dict[str, str]:
    """Run plain pytest; return `failed`, `skipped` or `passed` for each test, by node id within the suite."""
    log = suite.parent / f"{suite.name}.jsonl"
    command = [sys.executable, "-m", "pytest", "-p", "no:nightproof", "-p", "no:cacheprovider", "--maxfail=0", "-q"]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "NIGHTPROOF_"))}
    more = ["--continue-on-collection-errors", f"--report-log={log}", str(suite)]
    subprocess.run([*command, *more], cwd=suite, env=env, capture_output=True, check=False, timeout=120)
    found: dict[str, str] = {}
    for line in map(json.loads, log.read_text().splitlines()):
        if line.get("$report_type") == "CollectReport" and line["outcome"] == "failed":
            found[f"{line['nodeid']}::uncollected"] = "failed"
        if line.get("$report_type") not in {"TestReport", "SubTestReport"}:
            continue
        seen = found.get(line["nodeid"], "passed")
        is_special = line["$report_type"] == "TestReport" and (line["outcome"] == "skipped" or "wasxfail" in line)
        outcome = "failed" if line["outcome"] == "failed" else "skipped" if is_special else "passed"
        found[line["nodeid"]] = max(seen, outcome, key=["passed", "skipped", "failed"].index)
    return found


def run_both_passes(suite: Path, folder: Path, names: Iterable[str]) -> CellPlan:
    """Run a suite as a night does; its declared tests are those that plain pytest found."""
    ids = tuple(f"{suite.name}/{name.replace('.py::', '::', 1)}" for name in names)
    plan = CellPlan(suite, suite.name, "default", folder / "cells" / suite.name, {}, 120, ids)
    run_cell(plan, lambda _lines: None, GroupRegistry())
    again = tuple(to_repeat(read_cell(plan.cell_dir)))
    second_pass(replace(plan, test_ids=again), lambda _lines: None, GroupRegistry())
    return plan


def verdict_words(plan: CellPlan, events: CellEvents) -> dict[str, str]:
    """Return the verdict of every test as a word, by node id within the suite."""
    tests = {test_id: CatalogueTest(test_id) for test_id in plan.test_ids}
    verdicts = judge(plan.suite, "default", tests, events)
    names = {verdict.id: verdict.verdict.value for verdict in verdicts}
    return {name.partition("/")[2].replace("::", ".py::", 1): word for name, word in names.items()}


RED: Final = frozenset({"failed", "error", "timeout", "not_run", "blocked"})
GREEN: Final = frozenset({"passed", "flaky", "hollow"})  # no test sends a request, so a pass is hollow at best


def broken_promises(plain: dict[str, str], ours: dict[str, str]) -> list[str]:
    """Return a sentence for each test whose verdict is greener, or redder, than plain pytest's outcome."""
    found = []
    for name, outcome in plain.items():
        verdict = ours.get(name, "absent")
        if outcome == "failed" and verdict not in RED:
            found.append(f"{name} fails in plain pytest and is {verdict} here.")
        if outcome == "passed" and verdict not in GREEN:
            found.append(f"{name} passes in plain pytest and is {verdict} here.")
        if outcome == "skipped" and verdict in GREEN:
            found.append(f"{name} is skipped or expected to fail in plain pytest and is {verdict} here.")
    return found
