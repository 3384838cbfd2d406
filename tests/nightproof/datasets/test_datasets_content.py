"""The content hash of encoded files: equal for another encoder, different for other content."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from nightproof.datasets import put
from nightproof.datasets.content import content_sha256
from nightproof.datasets.generators import generate
from nightproof.datasets.manifest import pinned
from nightproof.errors import Blocked


def picture(kind: str, colour: tuple[int, int, int], size: int = 1000, **options: int) -> bytes:
    """Encode a picture of one colour."""
    sink = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(sink, kind, **options)
    return sink.getvalue()


def table(*values: float, **options: str) -> bytes:
    """Encode a table of one column."""
    sink = io.BytesIO()
    pq.write_table(pa.table({"value": pa.array(values)}), sink, **options)
    return sink.getvalue()


def test_another_encoding_has_the_same_content() -> None:
    """Compression of a table or PNG, and quality of a flat JPEG, change the bytes and not the content hash."""
    tables = table(1.0, 2.0, compression="NONE"), table(1.0, 2.0, compression="ZSTD")
    pngs = picture("PNG", (1, 2, 3), compress_level=0), picture("PNG", (1, 2, 3), compress_level=9)
    jpegs = picture("JPEG", (255, 200, 100), quality=85), picture("JPEG", (254, 201, 99), quality=95)
    for name, (one, other) in {"a.parquet": tables, "a.png": pngs, "a.jpg": jpegs}.items():
        assert one != other
        assert content_sha256(name, one) == content_sha256(name, other), name


def test_other_content_is_another_hash() -> None:
    """Another value, type, pixel, size or a colour beyond the tolerance changes the content hash."""
    sink = io.BytesIO()
    pq.write_table(pa.table({"value": pa.array([1.0, 2.0], type=pa.float32())}), sink)
    tables = [table(1.0, 2.0), table(1.0, 2.5), table(1.0), sink.getvalue()]
    pngs = [picture("PNG", (1, 2, 3)), picture("PNG", (1, 2, 4)), picture("PNG", (1, 2, 3), size=999)]
    jpegs = [picture("JPEG", (255, 200, 100)), picture("JPEG", (240, 200, 100)), picture("JPEG", (255, 200, 100), 8)]
    for name, files in {"a.parquet": tables, "a.png": pngs, "a.jpg": jpegs}.items():
        assert len({content_sha256(name, data) for data in files}) == len(files), name


def test_the_seeds_contents_are_as_pinned() -> None:
    """A picture and a table with moments have their committed content."""
    for dataset, path in (("mixed-formats", "image.jpg"), ("athena", "test_table_1/data.parquet")):
        fact = pinned()[f"{dataset}/{path}"]
        assert content_sha256(path, generate(dataset, path)) == fact["content_sha256"]


def test_another_encoder_is_told_from_other_content() -> None:
    """An encoder of another version blocks with a remedy of its own, as the package's hash covers its bytes."""
    put._require_pinned("mixed-formats", "image.jpg", generate("mixed-formats", "image.jpg"))
    with pytest.raises(Blocked, match=r"^This encoder writes `mixed-formats/image\.jpg` in other bytes: install the "):
        put._require_pinned("mixed-formats", "image.jpg", picture("JPEG", (255, 200, 100), quality=95))
    with pytest.raises(Blocked, match=r"^The generator of `mixed-formats/image\.jpg` does not give its pinned bytes: "):
        put._require_pinned("mixed-formats", "image.jpg", picture("JPEG", (0, 0, 0)))
