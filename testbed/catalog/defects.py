"""Named defects of the catalog; each makes one kind of answer wrong, to prove that the suites notice.

The code passes values through `bend` at named points. With no active defect a value stays as it is.
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

# By name: the point or points, a sentence for the catalogue of defects, and a function (value, facts) -> changed value.
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
    """The active defects, applied to values."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def bend(self, point: str, value: Any, **facts: Any) -> Any:
        """Return the value after all active defects of this point.

        A defect that names a user applies to that user only.
        """
        for name in self._faults.active_defects():
            bent, _, change = DEFECTS[name]
            meant = self._faults.of(name, facts["user"]) if "user" in facts else self._faults.get(name)
            if meant is not None and point in bent.split(", "):
                value = change(value, facts | {"parameters": meant})
        return value

    def lag(self) -> float:
        """Return the delay of the search index, in seconds."""
        return float(self.bend("lag", (self._faults.get("index-lag") or {}).get("seconds", 0)))
