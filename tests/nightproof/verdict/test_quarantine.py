"""The quarantine file: tests that do not gate, with owner, reason and expiry."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from nightproof.errors import UsageError
from nightproof.verdict.quarantine import QuarantineEntry
from nightproof.verdict.quarantine import overdue
from nightproof.verdict.quarantine import read_quarantine

if TYPE_CHECKING:
    from pathlib import Path

ENTRY = '[[test]]\nid = "s/a::b"\nowner = "me"\nreason = "known"\nexpires = 2026-12-01\n'


def test_entries_are_read_with_a_backend_or_without(tmp_path: Path) -> None:
    """Each table is one entry; a missing backend means every backend."""
    path = tmp_path / "quarantine.toml"
    path.write_text(f'{ENTRY}\n{ENTRY}backend = "quilt3"\n', encoding="utf-8")
    everywhere = QuarantineEntry("s/a::b", "me", "known", date(2026, 12, 1))
    there = QuarantineEntry("s/a::b", "me", "known", date(2026, 12, 1), "quilt3")
    assert read_quarantine(path) == (everywhere, there)


def test_no_file_is_no_quarantine(tmp_path: Path) -> None:
    """A missing or empty file has no entries."""
    assert read_quarantine(tmp_path / "quarantine.toml") == ()
    (tmp_path / "quarantine.toml").write_text("", encoding="utf-8")
    assert read_quarantine(tmp_path / "quarantine.toml") == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (ENTRY.replace("expires = 2026-12-01\n", ""), "expires"),
        (ENTRY.replace("2026-12-01", '"some day"'), "expires"),
        (ENTRY.replace('owner = "me"\n', ""), "owner"),
        (f"{ENTRY}until = 1\n", "until"),
        ("[[test", "not valid"),
        ("test = 3\n", "wrong value at `test`: '3'"),
        ('id = "\xe9"', "is not UTF-8 (byte 6: 0xe9)"),
        (ENTRY.replace("2026-12-01", "20261201"), "expires"),
    ],
)
def test_wrong_file_is_a_usage_error(tmp_path: Path, text: str, told: str) -> None:
    """A damaged file, an unknown key, or a missing owner or expiry is a UsageError with the file's path."""
    path = tmp_path / "quarantine.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match="The quarantine file") as caught:
        read_quarantine(path)
    assert str(path) in str(caught.value)
    assert told in str(caught.value)


def test_misspelt_table_is_a_usage_error(tmp_path: Path) -> None:
    """Entries under a wrong table name are a UsageError with that name."""
    path = tmp_path / "quarantine.toml"
    path.write_text(ENTRY.replace("[[test]]", "[[tests]]"), encoding="utf-8")
    with pytest.raises(UsageError, match=r"holds the unknown key `tests`. Write each entry under \[\[test\]\]"):
        read_quarantine(path)


def test_entry_is_overdue_after_its_last_day() -> None:
    """An entry applies on its expiry date and is overdue from the next day on."""
    entry = QuarantineEntry("s/a::b", "me", "known", date(2026, 12, 1))
    assert overdue([entry], date(2026, 12, 1)) == ()
    assert overdue([entry], date(2026, 12, 2)) == (entry,)
