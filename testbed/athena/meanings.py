"""Rewrite expressions whose meaning differs between Athena and DuckDB."""

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

# Not numbers: casting one of these to a number ends the query, and the message contains the text.
NO_DIVISOR: Final = "division by zero"
NO_ELEMENT: Final = "no such element"
DIVISORS: Final = 8  # divisions inside one divisor: the divisor is written twice, so nesting doubles the size
LARGEST: Final = 2000  # nodes of an expression that is written several times
FRACTIONS: Final = "DOUBLE", "FLOAT"  # DuckDB's names of Athena's double and real
DAYS: Final = frozenset({"day", "week", "month", "quarter", "year"})  # units that keep a date a date
FIELDS: Final = {
    "DOW": "isodow", "DAY_OF_WEEK": "isodow", "DAY_OF_YEAR": "doy", "DAY_OF_MONTH": "day", "YOW": "isoyear",
}  # fmt: skip
GROUPS: Final = re.compile(r"\\(?P<plain>.)|\$(?P<group>\d)|[\\$]", re.DOTALL)  # Java's marks in a replacement


def meant(node: exp.Expr) -> exp.Expr:
    """Return a replacement with Athena's meaning, or the node itself if DuckDB means the same."""
    rewrite = MEANINGS.get(type(node))
    return rewrite(node) if rewrite else node


def _date_difference(node: exp.Expr) -> exp.Expr:
    """Count whole units; DuckDB's date_diff counts the unit boundaries between the two dates."""
    unit = exp.Literal.string(str(node.args.get("unit") or "day").strip("'").lower())
    return _call("date_sub", unit, node.expression, node.this)


def _quotient(node: exp.Expr) -> exp.Expr:
    """End the query if a divisor is zero, except inside TRY; DuckDB returns NULL."""
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
    """Return an expression that ends the query with this reason when it is evaluated."""
    return exp.cast(exp.Literal.string(reason), exp.DType.TINYINT)


def _element(node: exp.Expr) -> exp.Expr:
    """End the query if an array index or a map key does not exist, except inside TRY.

    DuckDB returns NULL. The types are unknown here, so the expression tests the value's type at run time.
    """
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
    # In DuckDB's type names an array ends in `]` and a map begins with `MAP(`.
    for shape, is_there in (("%]", is_place), ("MAP(%", is_key)):
        is_such = exp.Like(this=kind.copy(), expression=exp.Literal.string(shape))
        absent = absent.when(exp.and_(is_such, exp.not_(is_there)), _end(NO_ELEMENT))
    # Never true: the comparison makes DuckDB evaluate the checks, which end the query, before the element.
    is_absent = exp.EQ(this=exp.paren(absent.else_(exp.Literal.number(0))), expression=exp.Literal.number(1))
    return exp.paren(exp.Case().when(is_absent, exp.Null()).else_(node.copy()))


def _whole(node: exp.Expr) -> exp.Expr:
    """Round halves away from zero when a fraction is cast to an integer; DuckDB rounds doubles half to even."""
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
    """Cast the result of date arithmetic in days or longer units to a date; DuckDB returns a timestamp.

    Applies only where the query itself shows that the operand is a date. Raise QueryFailedError for a unit below a day.
    """
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
    """Return type names in lower case; HUGEINT, which DuckDB uses for sums, becomes bigint."""
    return _call("replace", exp.Lower(this=node.copy()), *map(exp.Literal.string, ("hugeint", "bigint")))


def _row(node: exp.Expr) -> exp.Expr:
    """Label the unnamed members of a row `field0`, `field1` …; inside a cast the cast names them."""
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
    """Replace Athena's field names by DuckDB's; the day of the week counts from Monday as 1."""
    field = FIELDS.get(node.name.upper())
    return exp.Extract(this=exp.var(field), expression=node.expression.copy()) if field else node


def _zoned(node: exp.Expr) -> exp.Expr:
    """Read a time without zone as UTC; DuckDB reads it in the named zone.

    Raise QueryFailedError for any other zone than UTC.
    """
    if node.args["zone"].name.upper() != "UTC":
        raise unsupported("AT TIME ZONE with another zone than UTC")
    return exp.cast(node.this.copy(), exp.DType.TIMESTAMPTZ)


def _substring(node: exp.Expr) -> exp.Expr:
    """Return an empty string for position zero and for positions before the start."""
    start = node.args["start"]
    if isinstance(start, exp.Literal) and start.name.isdigit() and int(start.name) > 0:
        return node
    is_zero = exp.EQ(this=exp.paren(start.copy()), expression=exp.Literal.number(0))
    is_before = exp.LT(this=exp.paren(start.copy()), expression=exp.Neg(this=_call("length", node.this)))
    nothing = _call("substring", node.this, exp.Literal.number(1), exp.Literal.number(0))
    return exp.Case().when(exp.or_(is_zero, is_before), nothing).else_(node.copy())


def _replacement(node: exp.Expr) -> exp.Expr:
    """Write Java's `$1` as DuckDB's group reference and keep escaped characters literal."""
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
    """Return NULL if nothing matches; DuckDB returns an empty string."""
    return exp.Case().when(_call("regexp_matches", node.this, node.expression), node.copy())


def _part(node: exp.Expr) -> exp.Expr:
    """Return NULL for a part that does not exist; DuckDB returns an empty string."""
    return _call("list_extract", _call("str_split", node.this, node.args["delimiter"]), node.args["part_index"])


def _cardinality(node: exp.Expr) -> exp.Expr:
    """Count the elements of an array or a map; the types are unknown here, so JSON tells them apart."""
    value = _call("to_json", node.this)
    is_map = exp.EQ(this=_call("json_type", value), expression=exp.Literal.string("OBJECT"))
    return exp.Case().when(is_map, _call("len", _call("json_keys", value))).else_(_call("json_array_length", value))


def _call(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    """Return a call of a DuckDB function by its exact name."""
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
