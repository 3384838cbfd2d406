"""Pages of GraphQL search results: orderings of both dialects, and the cursors between pages."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from testbed.catalog import query_language
from testbed.catalog.errors import InputError
from testbed.parsing import json_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.catalog.documents import Document

Row = dict[str, Any]
SYSTEM: Final[dict[str, Callable[[Row], Any]]] = {
    "name": lambda row: row["name"],
    "modified": lambda row: row["modified"],
    "size": lambda row: row["size"],
    "entries": lambda row: row["entries"],
    "hash": lambda row: row["hash"],
    "workflow": lambda row: (json.loads(row["workflow"]) or {}).get("id"),
}
NOT_SORTABLE: Final = "comment"
TYPES: Final[dict[str, tuple[type, ...]]] = {
    "number": (int, float),
    "datetime": (str,),
    "keyword": (str,),
    "boolean": (bool,),
}
USER: Final = re.compile(r"usr:(?P<pointer>(?:/.*)?):(?P<type>[a-z]+):(?P<direction>asc|desc)", re.DOTALL)
OLD_ORDERS: Final = {
    "NEWEST": "sys:modified:desc",
    "OLDEST": "sys:modified:asc",
    "LEX_ASC": "sys:name:asc",
    "LEX_DESC": "sys:name:desc",
}
MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class State:
    """The state of a paged search, kept in its cursor: the query and the offset."""

    kind: str
    buckets: list[str]
    text: str
    ordering: str | None
    offset: int = 0
    wanted: dict[str, Any] | None = None
    wanted_meta: list[dict[str, Any]] | None = None

    def cursor(self) -> str:
        """Return the state as an opaque string."""
        return base64.urlsafe_b64encode(json.dumps(asdict(self)).encode()).decode()


def resumed(cursor: str, kind: str) -> State:
    """Return the state of a cursor; raise InputError for a cursor that this server did not issue."""
    try:
        state = State(**json_of(base64.b64decode(cursor, altchars=b"-_", validate=True)))
        known = state.kind == kind and isinstance(state.offset, int) and state.offset > 0
        known = (
            known
            and isinstance(state.text, str)
            and isinstance(state.wanted, dict | None)
            and isinstance(state.wanted_meta, list | None)
            and all(isinstance(name, str) for name in state.buckets)
        )
        key_of(state.ordering)  # raises InputError for a forged ordering
    except (ValueError, TypeError, binascii.Error, InputError):
        known = False
    if not known:
        raise InputError("after", "InvalidCursor", "The cursor was not given by this server. Search again.")
    return state


def check_size(size: int) -> None:
    """Raise InputError for a negative page size or one above 10,000."""
    if not 0 <= size <= MOST:
        raise InputError("size", "InvalidSize", f"The size {size} is not within 0 and {MOST}.")


def key_of(ordering: Any) -> tuple[Callable[[Row], Any], bool] | None:
    """Return key function and whether an ordering descends; None means relevance.

    Raise InputError for an invalid ordering.
    """
    if ordering is None:
        return None
    kind, _, rest = str(ordering).partition(":")
    field, _, direction = rest.rpartition(":")
    if kind == "sys" and direction in {"asc", "desc"} and field in {*SYSTEM, NOT_SORTABLE}:
        if field == NOT_SORTABLE:
            raise InputError("ordering", "UnsupportedSort", f"Packages cannot be sorted by `{field}`.")
        return SYSTEM[field], direction == "desc"
    found = USER.fullmatch(str(ordering))
    if not isinstance(ordering, str) or found is None or found["type"] not in {*TYPES, "text"}:
        message = f"`{ordering}` is not an ordering: use sys:<field>:<asc|desc> or usr:<pointer>:<type>:<asc|desc>."
        raise InputError("ordering", "ordering", message)
    if found["type"] == "text":
        raise InputError("ordering", "UnsupportedSort", "Packages cannot be sorted by metadata of type `text`.")
    return _by_metadata(found["pointer"], found["type"]), found["direction"] == "desc"


def _by_metadata(pointer: str, kind: str) -> Callable[[Row], Any]:
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]

    def key(row: Row) -> Any:
        value = json.loads(row["meta"])
        for part in parts:
            if not isinstance(value, dict) or part not in value:
                return None
            value = value[part]
        if value is not None and (not isinstance(value, TYPES[kind]) or (kind == "number" and isinstance(value, bool))):
            message = f"The metadata of `{row['name']}` at `{pointer}` is no {kind}: it cannot be sorted as one."
            raise InputError("ordering", "UnsupportedSort", message)
        return value

    return key


def ordered(rows: list[Row], ordering: str | None) -> list[Row]:
    """Return sorted hits; equal hits keep their order, hits without a value come last."""
    found = key_of(ordering)
    if found is None:
        return rows
    keyed = [(found[0](row), row) for row in rows]
    present = [pair for pair in keyed if pair[0] is not None]
    present.sort(key=lambda pair: pair[0], reverse=found[1])
    return [row for _, row in present] + [row for value, row in keyed if value is None]


def page(hits: list[Row], state: State, size: int) -> dict[str, Any]:
    """Return one page of hits; its cursor is None on the last page."""
    end = state.offset + size
    going_on = 0 < end < len(hits)
    cursor = replace(state, offset=end).cursor() if going_on else None
    name, write = KINDS[state.kind]
    return {"__typename": name, "cursor": cursor, "hits": [write(hit, state) for hit in hits[state.offset : end]]}


def _package(row: Row, state: State) -> dict[str, Any]:
    query = query_language.parse(state.text)
    places = {"name": row["name"], "comment": row["comment"], "meta": row["meta"], "workflow": row["workflow"]}
    return {
        "id": f"{row['bucket']}/{row['name']}",
        "score": 1.0,
        "bucket": row["bucket"],
        "name": row["name"],
        "pointer": "latest",
        "hash": row["hash"],
        "size": row["size"],
        "modified": row["modified"],
        "totalEntriesCount": row["entries"],
        "comment": row["comment"],
        "meta": row["meta"],
        "workflow": json.loads(row["workflow"]),
        "matchLocations": {place: query.is_in(text or "") for place, text in places.items()},
        "matchingEntries": [],
    }


def _object(row: Row, _state: State) -> dict[str, Any]:
    document: Document = row["document"]
    return {
        "id": document.id,
        "score": 1.0,
        "bucket": document.index,
        "key": document.source["key"],
        "version": str(document.field("version_id")),
        "size": float(document.source["size"]),
        "modified": document.source["last_modified"],
        "deleted": False,
        "indexedContent": None,
    }


KINDS: Final = {
    "packages": ("PackagesSearchResultSetPage", _package),
    "objects": ("ObjectsSearchResultSetPage", _object),
}
