"""Rows of known values: generated from a text, written as CSV, evaluated locally."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

HEADER: Final = "id,name,value\n"


@dataclass(frozen=True)
class Row:
    """One row; its value has six decimals."""

    id: int
    name: str
    value: float

    @property
    def line(self) -> str:
        """Return the row as a line of CSV."""
        return f"{self.id},{self.name},{self.value:.6f}\n"


def generated(seed: str, first: int, count: int) -> list[Row]:
    """Return `count` rows with ids from `first` on; the same seed text gives the same rows."""
    return [Row(number, f"name_{number:04d}", _fraction(f"{seed}:{number}")) for number in range(first, first + count)]


def as_csv(rows: list[Row]) -> bytes:
    """Return the rows as CSV with a header."""
    return (HEADER + "".join(row.line for row in rows)).encode()


def filler(seed: str, size: int) -> bytes:
    """Return `size` bytes that depend only on the seed text."""
    blocks = (hashlib.sha256(f"{seed}:{number}".encode()).digest() for number in range(size // 32 + 1))
    return b"".join(blocks)[:size]


def _fraction(text: str) -> float:
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
    return round(number / 2**32, 6)
