"""Readers of known file formats: they decode files independently of the digests in the seed manifest."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from typing import Final

FLAT_COLOUR: Final = (255, 200, 100)
TOLERANCE: Final = 4


def json_ids(data: bytes) -> list[int]:
    """Return the ids of a JSON array of records, in its order."""
    return [record["id"] for record in json.loads(data)]


def csv_rows(data: bytes) -> list[dict[str, str]]:
    """Return the rows of a CSV file with a header."""
    return list(csv.DictReader(io.StringIO(data.decode())))


def parquet_digest(data: bytes) -> tuple[int, str]:
    """Return the number of rows, and the SHA-256 over the schema line and the rows as canonical CSV."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - heavy, and collection must stay quick

    table = pq.read_table(io.BytesIO(data))
    sha = hashlib.sha256((",".join(f"{field.name}:{field.type}" for field in table.schema) + "\n").encode())
    for batch in table.to_batches(max_chunksize=100_000):
        columns = [map(str, column.to_pylist()) for column in batch.columns]
        sha.update("".join(",".join(row) + "\n" for row in zip(*columns, strict=True)).encode())
    return table.num_rows, sha.hexdigest()


def picture_digest(data: bytes) -> tuple[tuple[int, int], str]:
    """Return the size of a picture in pixels, and the SHA-256 over its size, mode and pixels."""
    from PIL import Image  # noqa: PLC0415 - as above

    with Image.open(io.BytesIO(data)) as picture:
        head = f"{picture.width}x{picture.height}:{picture.mode}:".encode()
        return picture.size, hashlib.sha256(head + picture.tobytes()).hexdigest()


def distance_from_flat(data: bytes) -> tuple[tuple[int, int], str, int]:
    """Return size and mode of a picture, and the largest difference of a channel from the seeds' one colour."""
    from PIL import Image  # noqa: PLC0415 - as above

    with Image.open(io.BytesIO(data)) as picture:
        extremes = [picture.getchannel(band).getextrema() for band in picture.getbands()]
        far = [abs(int(value) - flat) for pair, flat in zip(extremes, FLAT_COLOUR, strict=True) for value in pair]  # type: ignore[arg-type]  # RGB channels are bytes
        return picture.size, picture.mode, max(far)
