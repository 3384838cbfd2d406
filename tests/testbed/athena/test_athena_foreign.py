"""SQL that DuckDB or the parser accepts but Athena does not is refused, and the error names the form."""

from __future__ import annotations

import pytest

from testbed.athena.dialect import vet
from testbed.athena.failures import QueryFailedError
from testbed.athena.statements import MOST_TOKENS
from testbed.athena.statements import Query
from testbed.athena.statements import ShowTables
from testbed.athena.statements import bare
from testbed.athena.statements import parse


def vetted(sql: str) -> None:
    """Parse and vet a query."""
    statement = parse(sql)
    assert isinstance(statement, Query)
    vet(statement.tree)


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("SELECT * FROM a ASOF JOIN b ON a.x >= b.x", "ASOF JOIN"),
        ("SELECT * FROM a SEMI JOIN b ON a.x = b.x", "SEMI JOIN"),
        ("SELECT * REPLACE (1 AS a) FROM t", "REPLACE"),
        ("SELECT t.* EXCLUDE (a) FROM t", "EXCLUDE"),
        ("SELECT COLUMNS(*) FROM t", "COLUMNS()"),
        ("SELECT * FROM t PIVOT (sum(a) FOR b IN (1, 2))", "PIVOT"),
        ("SELECT DISTINCT ON (a) a, b FROM t", "DISTINCT ON"),
        ("SELECT a, count(*) FROM t GROUP BY ALL", "GROUP BY ALL"),
        ("SELECT a FROM t LIMIT 10%", "per cent"),
        ("SELECT a FROM t UNION BY NAME SELECT a FROM u", "BY NAME"),
        ("SELECT * FROM t USING SAMPLE 10", "USING SAMPLE"),
        ("SELECT a FROM t WHERE a ILIKE 'x'", "ILIKE"),
        ("SELECT a FROM t WHERE a SIMILAR TO 'x'", "SIMILAR TO"),
        ("SELECT a[1:2] FROM t", "slice"),
        ("SELECT ARRAY[x * 2 FOR x IN a] FROM t", "comprehension"),
        ("SELECT a::int FROM t", "`::`"),
        ("SELECT {'a': 1}", "`{`"),
        ("SELECT j ->> 'a' FROM t", "`->>`"),
        ("SELECT [1, 2]", "array without ARRAY"),
        ("FROM t", "FROM without SELECT"),
        ("SELECT 1 WHERE 1 IN (FROM t)", "FROM without SELECT"),
    ],
)
def test_a_foreign_form_is_refused(sql: str, name: str) -> None:
    """A query with a form that is not Athena SQL fails, and the error names the form."""
    with pytest.raises(QueryFailedError, match="is no SQL of Athena") as caught:
        vetted(sql)
    assert name in str(caught.value)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a[1], ARRAY[1, 2][1], \"a\"[1], m['k'], date[1], element_at(m, 'k')[1] FROM t",
        "SELECT * FROM a NATURAL JOIN b",
        "SELECT a.*, x FROM a CROSS JOIN UNNEST(y) AS u (x)",
        "SELECT year(d), EXTRACT(month FROM d) FROM t FETCH FIRST 2 ROWS ONLY",
        "SELECT transform(ARRAY[1], x -> x + 1) FROM t TABLESAMPLE BERNOULLI (10)",
    ],
)
def test_what_athena_knows_passes(sql: str) -> None:
    """Athena SQL that resembles a refused form passes: subscripts, joins, EXTRACT and others."""
    vetted(sql)


def test_comments_may_stand_before_a_statement() -> None:
    """Comments of both kinds may precede any statement. In SHOW TABLES, LIKE before a pattern is optional."""
    assert parse("-- a\n/* b */ SHOW TABLES IN d LIKE 'x*';") == ShowTables("d", "x*", views_only=False)
    assert bare(" \n-- only a comment") == ""


def test_a_statement_of_too_many_words_is_refused() -> None:
    """A statement with too many tokens is refused, because parsing it would block the whole server."""
    with pytest.raises(QueryFailedError, match="words and marks"):
        parse(f"SELECT {'1 + ' * MOST_TOKENS}1")
