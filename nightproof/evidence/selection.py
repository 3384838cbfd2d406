"""Selection of the collected tests that run in this process, and the catalogue of what was collected."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nightproof.errors import UsageError
from nightproof.evidence.cases import declared_case
from nightproof.evidence.eventlog import printable
from nightproof.evidence.marks import marked_end
from nightproof.evidence.suite import SuiteConfig
from nightproof.evidence.suite import find_suite
from nightproof.evidence.suite import given_suite
from nightproof.evidence.suite import load_suite

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nightproof.evidence.cases import Case


@dataclass(frozen=True)
class Selected:
    """One collected test with its id, its declaration and the suite it belongs to."""

    item: pytest.Item
    id: str
    case: Case
    suite: SuiteConfig


class Suites:
    """The suites of collected tests; the runner may name the folder, else the nearest suite.toml does."""

    def __init__(self) -> None:
        self._given = given_suite()
        self._known: dict[Path, SuiteConfig] = {}

    def describe(self, item: pytest.Item) -> Selected:
        """Return id and declaration of a test."""
        suite = self._suite(item.path.parent, item.config.rootpath)
        file = item.path.relative_to(suite.path).with_suffix("").as_posix()
        case = declared_case(getattr(item, "function", None))
        case = replace(case, owner=case.owner or suite.owner)
        self._check_reasons(case, suite, item)
        test_id = printable(f"{suite.name}/{file}::{item.nodeid.partition('::')[2]}")
        return Selected(item, test_id, case, suite)

    def prefix(self, nodeid: str, root: Path) -> str:
        """Return the beginning that the ids of a collector's tests have in common."""
        path, colons, inner = nodeid.partition("::")
        whole = root / path
        suite = self._suite(whole if whole.is_dir() else whole.parent, root)
        place = whole.relative_to(suite.path) if whole.is_relative_to(suite.path) else Path(path)
        return f"{suite.name}/{place.with_suffix('').as_posix()}{colons}{inner}"

    def _suite(self, folder: Path, root: Path) -> SuiteConfig:
        if folder not in self._known:
            given = self._given if self._given and folder.is_relative_to(self._given.path) else None
            self._known[folder] = given or self._load(find_suite(folder) or root)
        return self._known[folder]

    @staticmethod
    def _load(path: Path) -> SuiteConfig:
        try:
            return load_suite(path)
        except UsageError as error:
            raise pytest.UsageError(str(error)) from error

    @staticmethod
    def _check_reasons(case: Case, suite: SuiteConfig, item: pytest.Item) -> None:
        for backend, reason in case.unsupported.items():
            if suite.unsupported and reason not in suite.unsupported:
                raise pytest.UsageError(
                    f"`{item.nodeid}` is unsupported on `{backend}` for the reason `{reason}`, which suite.toml lacks: "
                    f"add it to [unsupported], or use one of {', '.join(suite.unsupported)}."
                )


def unsupported_reason(case: Case, backend: str) -> str:
    """Return the reason id for which a test is not executed here, or an empty text."""
    if reason := case.unsupported.get(backend):
        return reason
    offered = os.environ.get("NIGHTPROOF_NEEDS")
    if offered is None and "NIGHTPROOF_EVENT_LOG" not in os.environ:
        return ""  # bare pytest outside a run: what the target lacks is unknown
    lacking = sorted(set(case.needs) - set((offered or "").split(",")))
    return f"needs {', '.join(lacking)}" if lacking else ""


def wanted_ids() -> frozenset[str] | None:
    """Return the ids that the runner requests of this process; None means all."""
    path = os.environ.get("NIGHTPROOF_SELECT")
    return frozenset(json.loads(Path(path).read_text(encoding="utf-8"))) if path else None


def tell_apart(tests: Iterable[Selected]) -> list[Selected]:
    """Append a number to repeated ids, in the order of collection: a suite may collect two items of one name."""
    seen: Counter[str] = Counter()
    found = []
    for test in tests:
        seen[test.id] += 1
        found.append(replace(test, id=f"{test.id}#{seen[test.id]}") if seen[test.id] > 1 else test)
    return found


def write_catalogue(path: Path, found: list[Selected], left_out: dict[str, str]) -> None:
    """Write what was collected, and what the suite deselected by what, for the process that requested it."""
    tests = {test.id: {**asdict(test.case), **marked_end(test.item)} for test in found}
    path.write_text(json.dumps({"tests": tests, "deselected": left_out}), encoding="utf-8")
