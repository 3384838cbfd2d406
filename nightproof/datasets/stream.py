"""The byte stream of the seeds: SHA-256 in counter mode, the same on every machine and library version."""

from __future__ import annotations

import hashlib
from typing import Final

DATA_VERSION: Final = "1.0.0"
DIGEST: Final = 32
FRACTION: Final = 2**32


def seed_text(dataset: str) -> str:
    """Return the text whose hash is a dataset's seed."""
    return f"nightproof:{DATA_VERSION}:{dataset}"


def stream(dataset: str, path: str, size: int) -> bytes:
    """Return the first `size` bytes of a file's own stream."""
    seed = hashlib.sha256(f"{seed_text(dataset)}:{path}".encode())
    key = seed.digest()
    blocks = -(-size // DIGEST)
    sha256 = hashlib.sha256
    return b"".join([sha256(key + counter.to_bytes(8, "big")).digest() for counter in range(blocks)])[:size]


class Numbers:
    """Numbers in [0, 1) from a file's stream, four bytes each, written with six decimals."""

    def __init__(self, dataset: str, path: str) -> None:
        self._key = hashlib.sha256(f"{seed_text(dataset)}:{path}".encode()).digest()
        self._counter = 0
        self._buffer = b""

    def text(self) -> str:
        """Return the next number as text."""
        if not self._buffer:
            self._buffer = hashlib.sha256(self._key + self._counter.to_bytes(8, "big")).digest()
            self._counter += 1
        word, self._buffer = self._buffer[:4], self._buffer[4:]
        return f"{int.from_bytes(word, 'big') / FRACTION:.6f}"
