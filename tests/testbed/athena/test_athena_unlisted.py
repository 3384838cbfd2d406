"""Statements beyond the promised ones return what pandas returns over the same rows."""

# ruff: noqa: E501 - one statement and its expectation per line

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import pandas as pd
import pytest

from tests.testbed.athena.querying import ROWS
from tests.testbed.athena.querying import Querying

if TYPE_CHECKING:
    from collections.abc import Callable

FRAME = pd.DataFrame(ROWS, columns=["id", "name", "value", "ts", "j"]).assign(ts=lambda f: pd.to_datetime(f["ts"]))
BY_NAME = FRAME.groupby("name", sort=True)


def pairs(series: Any) -> list[list[Any]]:
    """Return the index and value pairs of a series."""
    return [[key, value] for key, value in series.items()]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT name, sum(id) FROM {t} GROUP BY name ORDER BY 1", lambda: pairs(BY_NAME["id"].sum())),
        ("SELECT name, avg(value) FROM {t} GROUP BY name ORDER BY 1", lambda: pairs(BY_NAME["value"].mean())),
        ("SELECT name, stddev(value) FROM {t} GROUP BY 1 ORDER BY 1", lambda: pairs(BY_NAME["value"].std())),
        ("SELECT name, max(id) - min(id) FROM {t} GROUP BY 1 ORDER BY 1", lambda: pairs(BY_NAME["id"].agg(lambda s: s.max() - s.min()))),
        ("SELECT count(DISTINCT name) FROM {t} WHERE id > 3", lambda: [[FRAME[FRAME.id > 3].name.nunique()]]),
        ("SELECT id / 3, id % 3, id / 4.0 FROM {t} ORDER BY id", lambda: [[i // 3, i % 3, i / 4] for i in FRAME.id]),
        ("SELECT upper(name), length(name), substr(name, 2) FROM {t} WHERE id < 2 ORDER BY id", lambda: [["N0", 2, 0], ["N1", 2, 1]]),
        ("SELECT year(ts), month(ts), day(ts), hour(ts) FROM {t} ORDER BY id", lambda: [[t.year, t.month, t.day, t.hour] for t in FRAME.ts]),
        ("SELECT day_of_week(ts), day_of_year(ts) FROM {t} ORDER BY id", lambda: [[t.isoweekday(), t.dayofyear] for t in FRAME.ts]),
        ("SELECT date_diff('day', TIMESTAMP '2024-01-01 12:00:00', ts) FROM {t} WHERE id < 9 ORDER BY id", lambda: [[max(0, i - 1)] for i in range(9)]),
        ("SELECT CAST(date_add('day', 3, ts) AS date) FROM {t} ORDER BY id", lambda: [[str((t + pd.Timedelta(days=3)).date())] for t in FRAME.ts]),
        ("SELECT a.id, b.id FROM {t} a JOIN {t} b ON a.id = b.id + 30 ORDER BY 1", lambda: [[i, i - 30] for i in range(30, 40)]),
        ("SELECT a.id FROM {t} a LEFT JOIN (SELECT id FROM {t} WHERE id < 38) b ON a.id = b.id WHERE b.id IS NULL ORDER BY 1", lambda: [[38], [39]]),
        ("SELECT id FROM {t} WHERE value > (SELECT avg(value) FROM {t}) ORDER BY id", lambda: [[i] for i in FRAME[FRAME.value > FRAME.value.mean()].id]),
        ("SELECT id FROM {t} EXCEPT SELECT id FROM {t} WHERE id > 1 ORDER BY 1", lambda: [[0], [1]]),
        ("SELECT CASE WHEN id % 2 = 0 THEN 'e' ELSE 'o' END AS p, count(*) FROM {t} GROUP BY 1 ORDER BY 1", lambda: [["e", 20], ["o", 20]]),
        ("SELECT id, sum(id) OVER (ORDER BY id) FROM {t} ORDER BY id", lambda: [[i, s] for i, s in zip(FRAME.id, FRAME.id.cumsum(), strict=True)]),
        ("SELECT id, rank() OVER (PARTITION BY name ORDER BY id DESC) FROM {t} ORDER BY id", lambda: pairs(BY_NAME["id"].rank(ascending=False).astype(int))),
        ("SELECT name, array_join(array_agg(id ORDER BY id), '-') FROM {t} GROUP BY name ORDER BY 1", lambda: pairs(BY_NAME["id"].agg(lambda s: "-".join(map(str, s))))),
        ("SELECT regexp_extract(j, 'y[0-5]'), split_part(name, 'n', 3), regexp_replace(name, 'n') FROM {t} WHERE id IN (4, 9) ORDER BY id", lambda: [["y4", None, 1], [None, None, 0]]),
        ("SELECT coalesce(NULLIF(name, 'n0'), 'z'), TRY_CAST(name AS integer) FROM {t} WHERE id < 2 ORDER BY id", lambda: [["z", None], ["n1", None]]),
        ("SELECT concat(name, NULL), name || NULL, greatest(id, 5), least(id, 5) FROM {t} WHERE id = 9", lambda: [[None, None, 9, 5]]),
        ("SELECT transform(ARRAY[1, 2], x -> x * 2), filter(ARRAY[1, 2], x -> x > 1), reduce(ARRAY[1, 2], 0, (s, x) -> s + x, s -> s)", lambda: [["[2, 4]", "[2]", 3]]),
        ("SELECT id FROM {t} ORDER BY NULLIF(id, 0) DESC LIMIT 1", lambda: [[39]]),
        ("SELECT name, count(*) FROM {t} GROUP BY name HAVING count(*) > 13", lambda: [["n0", 14]]),
        ("SELECT cardinality(array_agg(DISTINCT name)), bool_or(id > 38), arbitrary(1) FROM {t}", lambda: [[3, "true", 1]]),
        ("SELECT 7 / 2, -7 / 2, 7.0 / 2, 7e0 / 2, mod(-7, 3), power(2, 10), round(2.5), 'it''s'", lambda: [[3, -3, 3.5, 3.5, -1, 1024.0, 3, "it's"]]),
        ("SELECT value / id, 10 / NULLIF(id, 39) FROM {t} WHERE id > 37 ORDER BY id", lambda: [[0.5, 0], [0.5, None]]),
        ("SELECT CASE WHEN id <> 0 THEN 10 / id END FROM {t} WHERE id < 3 AND (id = 0 OR 10 % id = 0) ORDER BY id", lambda: [[None], [10], [5]]),
        ("SELECT sum(value) / count(*), 7 / -2, try(1 / 0) FROM {t}", lambda: [[FRAME.value.mean(), -3, None]]),
        ("SELECT substr(name, 0), substr(name, -9), substr(name, -1), substr(NULLIF(name, 'n1'), 0) FROM {t} WHERE id = 1", lambda: [["", "", 1, None]]),
        ("SELECT regexp_replace(name, 'n(.)', '$1-\\$\\\\') FROM {t} WHERE id < 2 ORDER BY id", lambda: [["0-$\\"], ["1-$\\"]]),
        ("SELECT extract(dow FROM ts), extract(day_of_week FROM ts), extract(doy FROM ts) FROM {t} ORDER BY id", lambda: [[t.isoweekday(), t.isoweekday(), t.dayofyear] for t in FRAME.ts]),
        ("SELECT ts AT TIME ZONE 'UTC' FROM {t} WHERE id = 0", lambda: [["2024-01-01 10:00:00.000 UTC"]]),
        ("SELECT max(ts) - min(ts), min(ts) - max(ts) FROM {t}", lambda: [["27 00:00:00.000", "-27 00:00:00.000"]]),
        ("SELECT typeof(sum(id)), array_agg(row(id, name) ORDER BY id) FROM {t} WHERE id < 2", lambda: [["bigint", "[{field0=0, field1=n0}, {field0=1, field1=n1}]"]]),
        ("SELECT CAST(row(1, 'x') AS row(a integer, b varchar)).b, CAST(ARRAY[row(1)] AS array(row(a integer)))[1].a", lambda: [["x", 1]]),
        ("SELECT split(name, 'n')[2], ARRAY[id, 7][1], element_at(ARRAY[id], 2), try(ARRAY[id][2]) FROM {t} WHERE id < 2 ORDER BY id", lambda: [[0, 0, None, None], [1, 1, None, None]]),
        ("SELECT m['n1'], element_at(m, 'z') FROM (SELECT MAP(array_agg(name), array_agg(id)) AS m FROM {t} WHERE id < 3)", lambda: [[1, None]]),
        ("SELECT MAP(ARRAY[1, 2], ARRAY['x', 'y'])[2], CAST(x[1][1][2] AS integer) FROM (SELECT ARRAY[ARRAY[ARRAY[5, 6]]] AS x)", lambda: [["y", 6]]),
        ("SELECT CAST(id / 2e0 AS integer), CAST(-id / 2e0 AS bigint), TRY_CAST(name AS smallint) FROM {t} WHERE id < 6 ORDER BY id", lambda: [[(i + 1) // 2, -((i + 1) // 2), None] for i in range(6)]),
        ("SELECT CAST(value AS integer), count(*) FROM {t} GROUP BY CAST(value AS integer) ORDER BY 1", lambda: pairs((FRAME.value + 0.5).astype(int).value_counts().sort_index())),
        ("SELECT date_trunc('month', CAST(ts AS date)), CAST(ts AS date) + INTERVAL '1' DAY, date_add('month', -1, date(ts)) FROM {t} ORDER BY id", lambda: [[str(t.date().replace(day=1)), str((t + pd.Timedelta(days=1)).date()), str((t - pd.DateOffset(months=1)).date())] for t in FRAME.ts]),
        ("SELECT x FROM (VALUES (1, 'a'), (2, 'b')) AS v (n, x) WHERE n = 2", lambda: [["b"]]),
    ],
)  # fmt: skip
def test_a_statement_equals_pandas(
    asking: Querying, table: str, sql: str, expected: Callable[[], list[list[Any]]]
) -> None:
    """Each statement returns the rows that pandas computes, in order. Numbers are compared as numbers."""
    rows = asking.rows(sql.replace("{t}", table))
    wanted = expected()
    assert len(rows) == len(wanted)
    for row, want in zip(rows, wanted, strict=True):
        assert [_like(value, other) for value, other in zip(row, want, strict=True)] == want


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT 5 / 0", "DIVISION_BY_ZERO: Division by zero"),
        ("SELECT 5 % id FROM {t}", "DIVISION_BY_ZERO: Division by zero"),
        ("SELECT value / (id - 3) FROM {t}", "DIVISION_BY_ZERO: Division by zero"),
        ("SELECT 1 / (1 / (1 / (1 / (1 / 2))))", "NOT_SUPPORTED: A divisor that holds so many divisions"),
        ("SELECT ARRAY[id, 1][3] FROM {t}", "INVALID_FUNCTION_ARGUMENT: An array has no such place"),
        ("SELECT split(name, 'n')[0] FROM {t}", "INVALID_FUNCTION_ARGUMENT: An array has no such place"),
        ("SELECT MAP(ARRAY['a'], ARRAY[1])[name] FROM {t}", "INVALID_FUNCTION_ARGUMENT: An array has no such place"),
        (
            "SELECT CAST(CAST(CAST(CAST(CAST(CAST(id AS int) AS int) AS int) AS int) AS int) AS int) FROM {t}",
            "NOT_SUPPORTED: An element or a cast to whole numbers",
        ),
        (
            "SELECT date_add('hour', 1, CAST(ts AS date)) FROM {t}",
            "INVALID_FUNCTION_ARGUMENT: 'hour' is not a valid DATE field",
        ),
        ("SELECT ts AT TIME ZONE 'Europe/Berlin' FROM {t}", "NOT_SUPPORTED: AT TIME ZONE with another zone than UTC"),
        ("SELECT regexp_replace(name, 'n', name) FROM {t}", "NOT_SUPPORTED: A replacement that is no literal"),
        ("SELECT regexp_replace(name, 'n', '$x') FROM {t}", "NOT_SUPPORTED: The mark `$` in a replacement"),
    ],
)
def test_what_would_be_answered_wrongly_fails(asking: Querying, table: str, sql: str, reason: str) -> None:
    """A statement fails, with its reason, where DuckDB would return a value that Athena would not."""
    assert asking.reason(sql.replace("{t}", table)).startswith(reason)


def _like(value: str | None, other: Any) -> Any:
    """Return a printed value converted to the type of the value it is compared with."""
    if value is None or other is None or isinstance(other, str):
        return value
    return pytest.approx(float(value)) if isinstance(other, float) else int(float(value))
