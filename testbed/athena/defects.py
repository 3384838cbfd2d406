"""Named defects of Athena; each makes one kind of answer wrong, to prove that the suites notice.

The code passes values through `bend` at named points. With no active defect a value stays as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from sqlglot import exp

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.faults.control import Faults


def _without_where(tree: exp.Expression, _: Any) -> exp.Expression:
    for clause in list(tree.find_all(exp.Where)):
        clause.pop()
    return tree


def _before_latest(top_hash: str, facts: Any) -> str:
    """Return the newest revision with another hash.

    A package copy writes two pointers to one revision, so the second newest pointer may be the same revision.
    """
    others = [revision for revision in facts["revisions"]() if revision != top_hash]
    return str(others[-1]) if others else top_hash


# By name: the point, a sentence for the catalogue of defects, and a function (value, facts) -> changed value.
DEFECTS: Final[dict[str, tuple[str, str, Callable[[Any, Any], Any]]]] = {
    "athena-drops-last-row": ("rows", "the last row of a result is missing", lambda rows, _: rows[:-1]),
    "athena-stale-tabulator": ("latest", "Tabulator reads the revision before the latest", _before_latest),
    "athena-ignores-where": ("query", "WHERE is left out of every query", _without_where),
    "athena-succeeds-on-missing-table": (
        "ends in failure",
        "a query of an unknown table succeeds without rows",
        lambda fails, facts: fails and "TABLE_NOT_FOUND" not in facts["reason"],
    ),
    "athena-never-finishes": ("ends", "a query runs for ever", lambda _ends, _: False),
    "openquery-not-enforced": ("is refused", "Tabulator serves all keys, open query or not", lambda _, __: False),
}
SENTENCES: Final = {name: sentence for name, (_, sentence, _) in DEFECTS.items()}


class Defects:
    """The active defects, applied to values."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def bend(self, point: str, value: Any, **facts: Any) -> Any:
        """Return the value after all active defects of this point.

        A defect that names a user applies to that user only.
        """
        for name in self._faults.active_defects():
            if name in DEFECTS and DEFECTS[name][0] == point and self._faults.of(name, facts["user"]) is not None:
                value = DEFECTS[name][2](value, facts)
        return value


def unbent(_point: str, value: Any, **_facts: Any) -> Any:
    """Return the value as it is; stands in for `Defects.bend` where there are no defects."""
    return value
