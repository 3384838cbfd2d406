"""Where DuckDB takes the words of Athena for something else: each such part of a query is written as it is meant."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from sqlglot import exp

from testbed.athena.failures import unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

NO_DIVISOR: Final = "division by zero"  # no number: the query ends where this is read as one
DIVISORS: Final = 8  # how many a divisor may hold: each is written twice
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
    nothing = exp.cast(exp.Literal.string(NO_DIVISOR), exp.DType.TINYINT)
    checked = node.copy()
    checked.set("expression", exp.paren(exp.Case().when(is_zero, nothing).else_(divisor.copy())))
    return checked


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
    exp.ArraySize: _cardinality,
    exp.AtTimeZone: _zoned,
    exp.DateDiff: _date_difference,
    exp.Div: _quotient,
    exp.Extract: _field_of_date,
    exp.Mod: _quotient,
    exp.RegexpExtract: _extract,
    exp.RegexpReplace: _replacement,
    exp.SplitPart: _part,
    exp.Struct: _row,
    exp.Substring: _substring,
    exp.Typeof: _type_name,
}
