"""The SQL index of a state directory's report.json files: SQLite by default, PostgreSQL by URL, rebuildable."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from typing import Self

import pandas as pd
from sqlalchemy import JSON
from sqlalchemy import BigInteger
from sqlalchemy import Column
from sqlalchemy import DateTime
from sqlalchemy import Float
from sqlalchemy import ForeignKey
from sqlalchemy import Integer
from sqlalchemy import MetaData
from sqlalchemy import String
from sqlalchemy import Table
from sqlalchemy import delete
from sqlalchemy import insert
from sqlalchemy import inspect
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy import update

from nightproof.errors import UsageError
from nightproof.evidence.private import FILE
from nightproof.history.address import engine_of
from nightproof.history.nights import Night
from nightproof.history.nights import night_of
from nightproof.records import Colour
from nightproof.records import Verdict
from nightproof.report.files import read_report

if TYPE_CHECKING:
    from types import TracebackType

    from sqlalchemy import Connection
    from sqlalchemy import Engine
    from sqlalchemy import Row

    from nightproof.records import RunReport

log = logging.getLogger(__name__)

META: Final = MetaData()
_RUNS: Final = Table(
    "runs",
    META,
    Column("run_id", String, primary_key=True),
    Column("profile", String, nullable=False, index=True),
    Column("target", String, nullable=False),
    Column("started", DateTime(timezone=True), nullable=False, index=True),
    Column("colour", String),
    Column("interrupted", String),
    Column("cause", String, nullable=False),
    Column("declared", Integer, nullable=False),
    Column("unsupported", Integer, nullable=False),
    Column("passed", Integer, nullable=False),
    Column("flaky", Integer, nullable=False),
    Column("duration_s", Float, nullable=False),
    Column("night_usd", Float),
    Column("alarm_channel", String),
    Column("alarm_ts", String),
    Column("builds", JSON),
    Column("stamp", BigInteger, nullable=False),  # the file's modification time: delivery is patched in later
)
_VERDICTS: Final = Table(
    "verdicts",
    META,
    Column("run_id", String, ForeignKey("runs.run_id"), primary_key=True),
    Column("id", String, primary_key=True),
    Column("backend", String, primary_key=True),
    Column("verdict", String, nullable=False),
)


class History:
    """The index; a context manager that closes the database on exit."""

    def __init__(self, url: str) -> None:
        self._engine = engine_of(url)
        if self._engine.dialect.name == "sqlite" and self._engine.url.database:
            file = Path(self._engine.url.database)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(FILE)  # sets the mode of a new file only: an existing one may be shared
        META.create_all(self._engine)
        _add_columns(self._engine)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database connections."""
        self._engine.dispose()

    def rebuild(self, runs_dir: Path) -> tuple[str, ...]:
        """Delete all rows and index every report again; return one sentence per damaged report."""
        with self._engine.begin() as connection:
            connection.execute(delete(_VERDICTS))
            connection.execute(delete(_RUNS))
        return self.sync(runs_dir)

    def sync(self, runs_dir: Path) -> tuple[str, ...]:
        """Index new and changed reports; return one sentence per damaged report, which is skipped."""
        with self._engine.connect() as connection:
            known = {
                str(run_id): int(stamp) for run_id, stamp in connection.execute(select(_RUNS.c.run_id, _RUNS.c.stamp))
            }
        damaged = []
        for path in sorted(runs_dir.glob("*/report.json")):
            stamp = path.stat().st_mtime_ns
            if path.parent.is_symlink() or known.get(path.parent.name) == stamp:
                continue
            try:
                self.add(read_report(path), stamp)
            except UsageError as error:
                log.warning("%s", error)
                damaged.append(str(error))
        return tuple(damaged)

    def add(self, report: RunReport, stamp: int = 0) -> None:
        """Index one report; safe to repeat, the later one replaces the earlier."""
        night = night_of(report)
        with self._engine.begin() as connection:
            connection.execute(delete(_VERDICTS).where(_VERDICTS.c.run_id == report.run_id))
            connection.execute(delete(_RUNS).where(_RUNS.c.run_id == report.run_id))
            connection.execute(insert(_RUNS), [_run_row(report, night, stamp)])
            rows = [
                {"run_id": report.run_id, "id": key[0], "backend": key[1], "verdict": verdict.value}
                for key, verdict in night.verdicts.items()
            ]
            if rows:
                connection.execute(insert(_VERDICTS), rows)

    def nights(self, profile: str, target: str, limit: int = 30, before: datetime | None = None) -> tuple[Night, ...]:
        """Return the last `limit` nights of this profile and target, newest first, counted or not."""
        query = select(_RUNS).where(_RUNS.c.profile == profile, _RUNS.c.target == target)
        if before:
            query = query.where(_RUNS.c.started < before)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(_RUNS.c.started.desc()).limit(limit)).all()
            return tuple(_with_verdicts(connection, row) for row in rows)

    def trend(self, profile: str, target: str) -> pd.DataFrame:
        """Return one row per night, oldest first: colour, `first_attempt`, `after_retry`, duration, cost."""
        query = select(_RUNS).where(_RUNS.c.profile == profile, _RUNS.c.target == target).order_by(_RUNS.c.started)
        with self._engine.connect() as connection:
            frame = pd.DataFrame(connection.execute(query).mappings().all(), columns=[c.name for c in _RUNS.c])
        asked = (frame["declared"] - frame["unsupported"]).where(lambda number: number > 0)
        frame["first_attempt"] = frame["passed"] / asked
        frame["after_retry"] = (frame["passed"] + frame["flaky"]) / asked
        return frame.drop(columns=["stamp", "alarm_channel", "alarm_ts"])


def _add_columns(engine: Engine) -> None:
    """Add missing columns to an earlier version's index; a cleared stamp makes `sync` read its reports again."""
    there = {column["name"] for column in inspect(engine).get_columns(_RUNS.name)}
    lacking = [column for column in _RUNS.c if column.name not in there]
    if lacking:
        with engine.begin() as connection:
            for column in lacking:
                kind = column.type.compile(engine.dialect)
                connection.execute(text(f"ALTER TABLE {_RUNS.name} ADD COLUMN {column.name} {kind}"))
            connection.execute(update(_RUNS).values(stamp=0))


def _run_row(report: RunReport, night: Night, stamp: int) -> dict[str, Any]:
    totals = report.totals
    return {
        "run_id": report.run_id,
        "profile": report.profile,
        "target": report.target,
        "started": report.started.astimezone(UTC),
        "colour": report.colour.value if report.colour else None,
        "interrupted": report.interrupted,
        "cause": report.cause,
        "declared": totals.declared,
        "unsupported": totals.unsupported,
        "passed": totals.passed,
        "flaky": totals.flaky,
        "duration_s": night.duration_s,
        "night_usd": night.night_usd,
        "alarm_channel": night.alarm_channel,
        "alarm_ts": night.alarm_ts,
        "builds": dict(night.builds),
        "stamp": stamp,
    }


def _with_verdicts(connection: Connection, row: Row[Any]) -> Night:
    query = select(_VERDICTS).where(_VERDICTS.c.run_id == row.run_id)
    verdicts = {(found.id, found.backend): Verdict(found.verdict) for found in connection.execute(query)}
    return replace(_night(row), verdicts=verdicts)


def _night(row: Row[Any]) -> Night:
    started: datetime = row.started
    return Night(
        run_id=row.run_id,
        # SQLite keeps no zone; what was written is UTC.
        started=started if started.tzinfo else started.replace(tzinfo=UTC),
        colour=Colour(row.colour) if row.colour else None,
        interrupted=row.interrupted,
        duration_s=row.duration_s,
        night_usd=row.night_usd,
        alarm_channel=row.alarm_channel,
        alarm_ts=row.alarm_ts,
        builds=row.builds or {},
    )
