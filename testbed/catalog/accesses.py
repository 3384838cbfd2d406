"""Download counts of objects and packages, per day; only downloads that the catalog redirected count.

The catalog does not see what clients read directly from S3. A stack on AWS takes these from CloudTrail.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import sqlalchemy as sa
from graphql import GraphQLError

from testbed.catalog import database as db

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

LONGEST_DAYS: Final = 365
REST: Final = "*"  # groups all extensions beyond the first ones
T: Final = db.accesses


def note(engine: Engine, *, bucket: str, key: str, registry: str, package: str, top_hash: str) -> None:
    """Count one download of an object as a file of a package revision."""
    place = {"bucket": bucket, "key": key, "registry": registry, "package": package, "hash": top_hash}
    row = place | {"day": datetime.now(UTC).date().isoformat()}
    same = sa.and_(*(T.c[name] == value for name, value in row.items()))
    with engine.begin() as connection:
        db.hold(connection)
        if not connection.execute(T.update().where(same).values(count=T.c.count + 1)).rowcount:
            connection.execute(T.insert().values(**row, count=1))


def counts(engine: Engine, window: int, **place: str) -> dict[str, Any]:
    """Return the downloads of a place per day, for the last `window` days including today."""
    return _series(_rows(engine, window, place), window)


def of_bucket(engine: Engine, bucket: str, window: int) -> dict[str, Any]:
    """Return the downloads of a bucket's objects per day, by extension and in total."""
    rows = _rows(engine, window, {"bucket": bucket})
    sums: Counter[str] = Counter()
    for row in rows:
        sums[_extension(row.key)] += row.count
    ranked = [name for name, _ in sorted(sums.items(), key=lambda pair: (-pair[1], pair[0]))]

    def group(name: str, members: set[str]) -> dict[str, Any]:
        return {"ext": name, "counts": _series([row for row in rows if _extension(row.key) in members], window)}

    def by_ext(_info: Any, groups: int | None = None) -> list[dict[str, Any]]:
        if groups is not None and groups < 0:
            raise GraphQLError(f"`groups` is {groups}: give 0 or more.")
        return [group(name, {name}) for name in ranked[:groups]]

    def collapsed(_info: Any, groups: int) -> list[dict[str, Any]]:
        rest = set(ranked[groups:])
        return [*by_ext(None, groups), *([group(REST, rest)] if rest else [])]

    return {"byExt": by_ext, "byExtCollapsed": collapsed, "combined": _series(rows, window)}


def _rows(engine: Engine, window: int, place: dict[str, str]) -> list[Any]:
    if not 0 < window <= LONGEST_DAYS:
        raise GraphQLError(f"`window` is {window}: give 1 to {LONGEST_DAYS} days.")
    where = [T.c.day >= _days(window)[0], *(T.c[name] == value for name, value in place.items())]
    with engine.connect() as connection:
        return list(connection.execute(sa.select(T).where(*where)))


def _days(window: int) -> list[str]:
    today = datetime.now(UTC).date()
    return [(today - timedelta(days=back)).isoformat() for back in reversed(range(window))]


def _series(rows: list[Any], window: int) -> dict[str, Any]:
    of_day: Counter[str] = Counter()
    for row in rows:
        of_day[row.day] += row.count
    counted = [{"date": f"{day}T00:00:00+00:00", "value": of_day[day]} for day in _days(window)]
    return {"total": of_day.total(), "counts": counted}


def _extension(key: str) -> str:
    name, dot, ending = key.rpartition("/")[2].rpartition(".")
    return f"{dot}{ending}" if name else ""
