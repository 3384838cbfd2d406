"""Named defects of the catalog: each makes it lie in one way, for the proof that the suites notice.

The code asks at named points whether a value is to be bent; with no defect active every value stays as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from testbed.catalog import defects_of_answers
from testbed.catalog import defects_of_people
from testbed.catalog import defects_of_reading
from testbed.catalog import defects_of_searching
from testbed.catalog import defects_of_tabulator
from testbed.catalog import defects_of_writing

if TYPE_CHECKING:
    from testbed.faults.control import Faults

# By name: the point or points that it bends, what it does, and the function from value and facts to the bent value.
DEFECTS: Final = (
    defects_of_answers.DEFECTS
    | defects_of_people.DEFECTS
    | defects_of_reading.DEFECTS
    | defects_of_searching.DEFECTS
    | defects_of_tabulator.DEFECTS
    | defects_of_writing.DEFECTS
)
SENTENCES: Final = {name: sentence for name, (_, sentence, _) in DEFECTS.items()}


class Defects:
    """Applies the active defects."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def bend(self, point: str, value: Any, **facts: Any) -> Any:
        """Give a value as the active defects of a point leave it, one that names a user for that user only."""
        for name in self._faults.active_defects():
            bent, _, change = DEFECTS[name]
            meant = self._faults.of(name, facts["user"]) if "user" in facts else self._faults.get(name)
            if meant is not None and point in bent.split(", "):
                value = change(value, facts | {"parameters": meant})
        return value

    def lag(self) -> float:
        """Say how many seconds the search index is late."""
        return float(self.bend("lag", (self._faults.get("index-lag") or {}).get("seconds", 0)))
