"""Injection of defects: the catalog passes values through `bend` at named points.

With no active defect a value stays as it is. The table of defects comes from above, so that no part of the catalog has
to know the defects that corrupt it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping

    from testbed.faults.control import Faults

    # The point or points, a sentence for the catalogue of defects, and a function (value, facts) -> changed value.
    Defect = tuple[str, str, Callable[[Any, Any], Any]]


class Defects:
    """The active defects, applied to values."""

    def __init__(self, faults: Faults, table: Mapping[str, Defect]) -> None:
        self._faults = faults
        self._table = table

    def bend(self, point: str, value: Any, **facts: Any) -> Any:
        """Return the value after all active defects of this point.

        A defect that names a user applies to that user only.
        """
        for name in self._faults.active_defects():
            bent, _, change = self._table[name]
            meant = self._faults.of(name, facts["user"]) if "user" in facts else self._faults.get(name)
            if meant is not None and point in bent.split(", "):
                value = change(value, facts | {"parameters": meant})
        return value

    def lag(self) -> float:
        """Return the delay of the search index, in seconds."""
        return float(self.bend("lag", (self._faults.get("index-lag") or {}).get("seconds", 0)))
