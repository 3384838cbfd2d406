"""Athena's names for DuckDB's types, and Athena's text for DuckDB's values."""

from __future__ import annotations

import math
import re
from datetime import date
from datetime import datetime
from datetime import time
from datetime import timedelta
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES: Final = {
    "BOOLEAN": "boolean",
    "TINYINT": "tinyint",
    "SMALLINT": "smallint",
    "UTINYINT": "smallint",
    "INTEGER": "integer",
    "USMALLINT": "integer",
    "BIGINT": "bigint",
    "UINTEGER": "bigint",
    "HUGEINT": "bigint",  # sums and counts, which are bigint in Athena
    "UBIGINT": "bigint",
    "FLOAT": "float",
    "DOUBLE": "double",
    "DATE": "date",
    "TIME": "time",
    "BLOB": "varbinary",
    "INTERVAL": "interval day to second",
    "JSON": "json",
    "TIMESTAMP WITH TIME ZONE": "timestamp with time zone",
}
PRECISIONS: Final = {
    "tinyint": 3, "smallint": 5, "integer": 10, "bigint": 19, "float": 17, "double": 17, "timestamp": 3,
    "timestamp with time zone": 3, "time": 3, "varchar": 2147483647,
}  # fmt: skip
HIVE: Final = {"integer": "int", "varchar": "string", "varbinary": "binary", "json": "string", "time": "string"}
PLAIN_FROM: Final = 1e-3  # Athena prints doubles as Java does: in scientific form outside these bounds
PLAIN_BELOW: Final = 1e7


def type_name(duckdb_type: str) -> str:
    """Return Athena's name of a DuckDB type for a result column, without parameters."""
    if duckdb_type.endswith("]"):
        return "array"
    kind = duckdb_type.partition("(")[0]
    if kind in {"STRUCT", "MAP", "DECIMAL"}:
        return {"STRUCT": "row", "MAP": "map", "DECIMAL": "decimal"}[kind]
    if kind.startswith("TIMESTAMP") and "ZONE" not in kind:
        return "timestamp"
    return NAMES.get(kind, "varchar")


def column_info(name: str, duckdb_type: str) -> dict[str, Any]:
    """Return the ColumnInfo of a result column, as GetQueryResults sends it."""
    kind = type_name(duckdb_type)
    found = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", duckdb_type)
    precision, scale = (int(found[1]), int(found[2])) if found else (PRECISIONS.get(kind, 0), 0)
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": name,
        "Label": name,
        "Type": kind,
        "Precision": precision,
        "Scale": scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": kind == "varchar",
    }


def hive_type(duckdb_type: str) -> str:
    """Return the Hive type of a DuckDB type, as a Glue column names it."""
    if duckdb_type.endswith("[]"):
        return f"array<{hive_type(duckdb_type[:-2])}>"
    if duckdb_type.startswith("DECIMAL"):
        return duckdb_type.lower()
    name = type_name(duckdb_type)
    return HIVE.get(name, name)


def text(value: Any) -> str | None:
    """Return the text of a value, or None for NULL."""
    return None if value is None else _nested(value)


def _nested(value: Any) -> str:
    for kind, printing in PRINTING.items():
        if isinstance(value, kind):
            return printing(value)
    return str(value)


def moment(value: datetime) -> str:
    """Return the text of a timestamp with three decimals, and ` UTC` if it has a zone."""
    zone = " UTC" if value.tzinfo else ""
    return f"{value.replace(tzinfo=None).isoformat(' ', 'milliseconds')}{zone}"


def duration(value: timedelta) -> str:
    """Return the text of an interval: days and a time of day with three decimals."""
    sign, value = ("-", -value) if value < timedelta() else ("", value)
    seconds, milliseconds = divmod(value // timedelta(milliseconds=1), 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours // 24} {hours % 24:02}:{minutes:02}:{seconds:02}.{milliseconds:03}"


def double(value: float) -> str:
    """Return the text of a double as Java prints it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or PLAIN_FROM <= abs(value) < PLAIN_BELOW:
        return repr(value)
    mantissa, _, exponent = _scientific(value).partition("e")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{int(exponent)}"


def _scientific(value: float) -> str:
    """Return the shortest scientific form that parses back to the same number."""
    return next(form for digits in range(18) if float(form := f"{value:.{digits}e}") == value)


PRINTING: Final[dict[type, Callable[[Any], str]]] = {  # the first match counts: a bool is an int, a datetime is a date
    type(None): lambda _: "null",
    bool: lambda value: str(value).lower(),
    float: double,
    datetime: moment,
    date: date.isoformat,
    time: lambda value: value.isoformat("milliseconds"),
    timedelta: duration,
    bytes: lambda value: value.hex(" "),
    list: lambda value: f"[{', '.join(map(_nested, value))}]",
    dict: lambda value: f"{{{', '.join(f'{_nested(key)}={_nested(item)}' for key, item in value.items())}}}",
}
