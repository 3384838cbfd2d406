"""Where DuckDB takes the words of Athena for something else: each such part of a query is written as it is meant."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from sqlglot import exp

from testbed.athena.failures import QueryFailedError
from testbed.athena.failures import unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

# No numbers: the query ends where one of these is read as one.
NO_DIVISOR: Final = "division by zero"
NO_ELEMENT: Final = "no such element"
DIVISORS: Final = 8  # how many a divisor may hold: each is written twice
LARGEST: Final = 2000  # nodes of what is written several times
FRACTIONS: Final = "DOUBLE", "FLOAT"  # DuckDB's names of Athena's double and real
DAYS: Final = frozenset({"day", "week", "month", "quarter", "year"})  # what added to a date gives a date
FIELDS: Final = {
    "DOW": "isodow", "DAY_OF_WEEK": "isodow", "DAY_OF_YEAR": "doy", "DAY_OF_MONTH": "day", "YOW": "isoyear",
}  # fmt: skip
GROUPS: Final = re.compile(r"\\(?P<plain>.)|\$(?P<group>\d)|[\\$]", re.DOTALL)  # Java's marks in a replacement


def meant(node: exp.Expr) -> exp.Expr:
    """Give what a node means, or the node itself where the translation keeps its meaning."""
    rewrite = MEANINGS.get(type(node))
    return rewrite(node) if rewrite else node


def _date_difference(node: exp.Expr) -> exp.Expr:
    """Count whole units; DuckDB's date_diff counts the borders between them."""
    unit = exp.Literal.string(str(node.args.get("unit") or "day").strip("'").lower())
    return _call("date_sub", unit, node.expression, node.this)


def _quotient(node: exp.Expr) -> exp.Expr:
    """End the query where a divisor is zero, unless it tries; DuckDB gives NULL."""
    divisor = node.expression
    is_safe = isinstance(divisor, exp.Literal) and not divisor.is_string and float(divisor.name) != 0
    if is_safe or node.find_ancestor(exp.Try):
        return node
    if sum(1 for _ in divisor.find_all(exp.Div, exp.Mod)) > DIVISORS:
        raise unsupported("A divisor that holds so many divisions")
    is_zero = exp.EQ(this=exp.paren(divisor.copy()), expression=exp.Literal.number(0))
    checked = node.copy()
    checked.set("expression", exp.paren(exp.Case().when(is_zero, _end(NO_DIVISOR)).else_(divisor.copy())))
    return checked


def _require_small(node: exp.Expr) -> None:
    if sum(1 for _ in node.walk()) > LARGEST:
        raise unsupported("An element or a cast to whole numbers that holds so many others")


def _end(reason: str) -> exp.Expr:
    """Give what ends the query where it is evaluated."""
    return exp.cast(exp.Literal.string(reason), exp.DType.TINYINT)


def _element(node: exp.Expr) -> exp.Expr:
    """End the query where an array has no such place or a map no such key, unless it tries; DuckDB gives NULL."""
    if node.args.get("safe") or node.find_ancestor(exp.Try):
        return node
    _require_small(node)
    key = exp.apply_index_offset(node.this, node.expressions, 1 - (node.args.get("offset") or 0), dialect="duckdb")[0]
    kind, content = _call("typeof", node.this), _call("to_json", node.this)
    length, name = _call("json_array_length", content), exp.cast(key.copy(), exp.DType.VARCHAR)
    number = exp.TryCast(this=key.copy(), to=exp.DataType.build("BIGINT"))
    is_place = exp.Between(this=number, low=exp.Literal.number(1), high=length)
    is_key = _call("list_contains", _call("json_keys", content), name)
    absent = exp.Case()
    for shape, is_there in (("%]", is_place), ("MAP(%", is_key)):
        is_such = exp.Like(this=kind.copy(), expression=exp.Literal.string(shape))
        absent = absent.when(exp.and_(is_such, exp.not_(is_there)), _end(NO_ELEMENT))
    is_absent = exp.EQ(this=exp.paren(absent.else_(exp.Literal.number(0))), expression=exp.Literal.number(1))
    return exp.paren(exp.Case().when(is_absent, exp.Null()).else_(node.copy()))


def _whole(node: exp.Expr) -> exp.Expr:
    """Round halves away from zero where a fraction becomes a whole number; DuckDB rounds doubles to the even one."""
    if not node.args["to"].is_type(*exp.DataType.INTEGER_TYPES) or node.this.is_string:
        return node
    _require_small(node)
    kinds = [exp.Literal.string(kind) for kind in FRACTIONS]
    rounded = node.copy()
    rounded.set("this", _call("round", exp.TryCast(this=node.this.copy(), to=exp.DataType.build("DOUBLE"))))
    is_fraction = exp.In(this=_call("typeof", node.this), expressions=kinds)
    return exp.paren(exp.Case().when(is_fraction, rounded).else_(node.copy()))


def _of_date(node: exp.Expr) -> exp.Expr:
    return _reckoned(node, node)


def _sum(node: exp.Expr) -> exp.Expr:
    return _reckoned(node, node.expression) if isinstance(node.expression, exp.Interval) else node


def _reckoned(node: exp.Expr, step: exp.Expr) -> exp.Expr:
    """Have what is reckoned from a date be a date, where the words tell that it is one; DuckDB makes a time of it."""
    if not _is_date(node.this):
        return node
    name = str(step.args.get("unit") or "day").strip("'").lower()
    if name not in DAYS:
        raise QueryFailedError(f"INVALID_FUNCTION_ARGUMENT: '{name[:20]}' is not a valid DATE field")
    return exp.cast(node.copy(), exp.DType.DATE)


def _is_date(node: exp.Expr) -> bool:
    if isinstance(node, exp.Cast):
        return bool(node.args["to"].is_type(exp.DType.DATE))
    return isinstance(node, exp.CurrentDate | exp.Date | exp.LastDay)


def _type_name(node: exp.Expr) -> exp.Expr:
    """Name types in lower case, and no type for sums alone."""
    return _call("replace", exp.Lower(this=node.copy()), *map(exp.Literal.string, ("hugeint", "bigint")))


def _row(node: exp.Expr) -> exp.Expr:
    """Number the members that have no names; a cast names them itself."""
    if node.find_ancestor(exp.Cast):
        return node
    members = [
        value.copy()
        if isinstance(value, exp.PropertyEQ)
        else exp.PropertyEQ(this=exp.to_identifier(f"field{place}"), expression=value.copy())
        for place, value in enumerate(node.expressions)
    ]
    return exp.Struct(expressions=members)


def _field_of_date(node: exp.Expr) -> exp.Expr:
    """Count days of the week from Monday, whatever name they go by."""
    field = FIELDS.get(node.name.upper())
    return exp.Extract(this=exp.var(field), expression=node.expression.copy()) if field else node


def _zoned(node: exp.Expr) -> exp.Expr:
    """Take a time without zone for one of UTC; DuckDB takes it for one of the zone that is named."""
    if node.args["zone"].name.upper() != "UTC":
        raise unsupported("AT TIME ZONE with another zone than UTC")
    return exp.cast(node.this.copy(), exp.DType.TIMESTAMPTZ)


def _substring(node: exp.Expr) -> exp.Expr:
    """Take nothing from position zero and from before the beginning."""
    start = node.args["start"]
    if isinstance(start, exp.Literal) and start.name.isdigit() and int(start.name) > 0:
        return node
    is_zero = exp.EQ(this=exp.paren(start.copy()), expression=exp.Literal.number(0))
    is_before = exp.LT(this=exp.paren(start.copy()), expression=exp.Neg(this=_call("length", node.this)))
    nothing = _call("substring", node.this, exp.Literal.number(1), exp.Literal.number(0))
    return exp.Case().when(exp.or_(is_zero, is_before), nothing).else_(node.copy())


def _replacement(node: exp.Expr) -> exp.Expr:
    """Write `$1` as DuckDB does, and what it would take for a mark as it stands there."""
    given = node.args["replacement"]
    if not isinstance(given, exp.Literal):
        raise unsupported("A replacement that is no literal")
    written = node.copy()
    written.set("replacement", exp.Literal.string(GROUPS.sub(_mark, given.name)))
    return written


def _mark(found: re.Match[str]) -> str:
    if found["group"]:
        return f"\\{found['group']}"
    if found["plain"]:
        return found["plain"].replace("\\", "\\\\")
    raise unsupported(f"The mark `{found[0]}` in a replacement")


def _extract(node: exp.Expr) -> exp.Expr:
    """Give NULL where nothing matches, not an empty string."""
    return exp.Case().when(_call("regexp_matches", node.this, node.expression), node.copy())


def _part(node: exp.Expr) -> exp.Expr:
    """Give NULL for a part that is not there, not an empty string."""
    return _call("list_extract", _call("str_split", node.this, node.args["delimiter"]), node.args["part_index"])


def _cardinality(node: exp.Expr) -> exp.Expr:
    """Count the elements of a map too; the types are not known here."""
    value = _call("to_json", node.this)
    is_map = exp.EQ(this=_call("json_type", value), expression=exp.Literal.string("OBJECT"))
    return exp.Case().when(is_map, _call("len", _call("json_keys", value))).else_(_call("json_array_length", value))


def _call(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    """Call a function of DuckDB's by that very name."""
    return exp.Anonymous(this=name, expressions=[argument.copy() for argument in arguments])


MEANINGS: Final[dict[type[Any], Callable[[Any], exp.Expr]]] = {
    exp.Add: _sum,
    exp.ArraySize: _cardinality,
    exp.AtTimeZone: _zoned,
    exp.Bracket: _element,
    exp.Cast: _whole,
    exp.DateAdd: _of_date,
    exp.DateDiff: _date_difference,
    exp.DateTrunc: _of_date,
    exp.Div: _quotient,
    exp.Extract: _field_of_date,
    exp.Mod: _quotient,
    exp.RegexpExtract: _extract,
    exp.RegexpReplace: _replacement,
    exp.SplitPart: _part,
    exp.Struct: _row,
    exp.Sub: _sum,
    exp.Substring: _substring,
    exp.TryCast: _whole,
    exp.Typeof: _type_name,
}
