"""The content of an encoded file: equal when another version of an encoder writes other bytes."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

if TYPE_CHECKING:
    from collections.abc import Iterator

FLAT: Final = (255, 200, 100)
TOLERANCE: Final = 4
CONTENT_PINNED: Final = (".parquet", ".png", ".jpg")


def content_sha256(path: str, data: bytes) -> str:
    """Return the SHA-256 of what a Parquet file, a PNG or a JPEG holds, as decoded."""
    parts = _parquet(data) if path.endswith(".parquet") else _image(data, is_flat=path.endswith(".jpg"))
    sha = hashlib.sha256()
    for part in parts:
        sha.update(part)
    return sha.hexdigest()


def _parquet(data: bytes) -> Iterator[bytes]:
    """Yield the line of the schema, then the rows as canonical CSV, batch by batch."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - heavy, and only content-pinned files need it

    file = pq.ParquetFile(io.BytesIO(data))
    yield (",".join(f"{field.name}:{field.type}" for field in file.schema_arrow) + "\n").encode()
    for batch in file.iter_batches():
        columns = [[_cell(value) for value in column.to_pylist()] for column in batch.columns]
        yield "".join(",".join(row) + "\n" for row in zip(*columns, strict=True)).encode()


def _cell(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _image(data: bytes, *, is_flat: bool) -> Iterator[bytes]:
    """Yield size and pixels; a JPEG counts as the one colour when every channel is within 4 of it."""
    from PIL import Image  # noqa: PLC0415 - heavy, and only content-pinned files need it

    with Image.open(io.BytesIO(data)) as picture:
        yield f"{picture.width}x{picture.height}:{picture.mode}:".encode()
        ranges: Any = picture.getextrema()
        is_near = is_flat and all(
            flat - TOLERANCE <= low and high <= flat + TOLERANCE for (low, high), flat in zip(ranges, FLAT, strict=True)
        )
        yield bytes(FLAT) if is_near else picture.tobytes()
