"""The files of every dataset, by dataset and path; each file depends on nothing but its own name."""

from __future__ import annotations

import io
import json
import signal
import sys
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from nightproof.datasets.content import FLAT
from nightproof.datasets.metadata import DOCUMENT
from nightproof.datasets.metadata import document
from nightproof.datasets.stream import FRACTION
from nightproof.datasets.stream import Numbers
from nightproof.datasets.stream import stream

if TYPE_CHECKING:
    from collections.abc import Callable

KB: Final = 1000
MB: Final = 1_000_000
START: Final = datetime(2024, 1, 1, tzinfo=UTC)
MARGIN: Final = 64
SIZE_BYTES: Final = 8
CHUNK: Final = 5 * MB
PARQUET_ROWS: Final = 1_250_000
PIXELS: Final = 1300
MONTHS: Final = ("2024-01", "2024-02", "2024-03", "2024-04")
SPECIAL: Final = "data/special/a b+c#d%25 ü.csv"


def generate(dataset: str, path: str) -> bytes:
    """Return the bytes of one file."""
    return FILES[dataset][path](dataset, path)


def exact_csv(dataset: str, path: str, size: int, header: str, row: Callable[[int, Numbers], str]) -> bytes:
    """Return rows up to 64 bytes below the size in bytes; the note of the last row is padded to reach it exactly."""
    numbers = Numbers(dataset, path)
    lines = [header + ",note\n"]
    written = len(lines[0].encode())
    number = 0
    while True:
        line = row(number, numbers) + ",\n"
        if written + len(line) > size - MARGIN:
            break
        lines.append(line)
        written += len(line)
        number += 1
    lines[-1] = lines[-1][:-1] + "x" * (size - written) + "\n"
    return "".join(lines).encode()


def _simple_row(number: int, numbers: Numbers) -> str:
    moment = (START + timedelta(hours=number)).isoformat()
    return f"{number},name_{number % 10000:04d},{numbers.text()},{'ABC'[number % 3]},{moment}"


def _sensor_row(number: int, numbers: Numbers) -> str:
    return f"{number},{numbers.text()},{numbers.text()},{numbers.text()},{numbers.text()}"


def simple(size: int) -> Callable[[str, str], bytes]:
    """Return a function that makes a CSV file of id, name, value, category, timestamp."""
    return lambda dataset, path: exact_csv(dataset, path, size, "id,name,value,category,timestamp", _simple_row)


def sensors(size: int, of: str = "") -> Callable[[str, str], bytes]:
    """Return a function that makes a CSV file of id, measurement and three sensors.

    `of` names the stream where two files must be equal.
    """
    return lambda dataset, path: exact_csv(
        dataset, of or path, size, "id,measurement,sensor1,sensor2,sensor3", _sensor_row
    )


def raw(size: int) -> Callable[[str, str], bytes]:
    """Return a function that makes a file that is the raw stream."""
    return lambda dataset, path: stream(dataset, path, size)


def padded_json(size: int, content: dict[str, Any]) -> Callable[[str, str], bytes]:
    """Return a function that makes a JSON document, padded by a last member to the exact size."""

    def make(_dataset: str, _path: str) -> bytes:
        empty = json.dumps(content | {"padding": ""}, ensure_ascii=False).encode()
        filler = "x" * (size - len(empty) - 1)
        return json.dumps(content | {"padding": filler}, ensure_ascii=False).encode() + b"\n"

    return make


def records_json(size: int) -> Callable[[str, str], bytes]:
    """Return a function that makes a JSON array of records, the last one padded to the exact size."""

    def make(dataset: str, path: str) -> bytes:
        numbers = Numbers(dataset, path)
        parts, written, number = [], 2, 0
        while True:
            record = f'{{"id":{number},"value":{numbers.text()},"note":""}},\n'
            if written + len(record) > size - MARGIN:
                break
            parts.append(record)
            written += len(record)
            number += 1
        last = parts.pop()[:-2]  # without comma and newline
        missing = size - (written - 2)
        parts.append(last[:-2] + "x" * (missing - 1) + '"}')
        return ("[" + "".join(parts) + "]\n").encode()

    return make


def text(size: int, title: str) -> Callable[[str, str], bytes]:
    """Return a function that makes a Markdown text of the exact size."""

    def make(dataset: str, path: str) -> bytes:
        numbers = Numbers(dataset, path)
        body = f"# {title}\n\n"
        while len(body) < size - MARGIN:
            body += f"The reading is {numbers.text()}.\n"
        return (body[: size - 1].ljust(size - 1, "x") + "\n").encode()

    return make


def parquet(rows: int, *, with_names: bool = False) -> Callable[[str, str], bytes]:
    """Return a function that makes a plain, uncompressed Parquet file of id and value (and name and timestamp)."""

    def make(dataset: str, path: str) -> bytes:
        import numpy as np  # noqa: PLC0415 - heavy, and only content-pinned files need it
        import pyarrow as pa  # noqa: PLC0415 - as above
        import pyarrow.parquet as pq  # noqa: PLC0415 - as above

        values = np.frombuffer(stream(dataset, path, rows * 4), dtype=">u4").astype("float64") / FRACTION
        columns: dict[str, Any] = {"id": pa.array(np.arange(rows), type=pa.int32() if with_names else pa.int64())}
        if with_names:
            columns["name"] = pa.array([f"name_{number:04d}" for number in range(rows)])
        columns["value"] = pa.array(values)
        if with_names:
            moments = [START + timedelta(hours=number) for number in range(rows)]
            columns["timestamp"] = pa.array(moments, type=pa.timestamp("ms"))
        sink = io.BytesIO()
        pq.write_table(pa.table(columns), sink, compression="NONE", use_dictionary=False)
        return sink.getvalue()

    return make


def image(kind: str) -> Callable[[str, str], bytes]:
    """Return a function that makes a PNG of noise or a JPEG of one colour."""

    def make(dataset: str, path: str) -> bytes:
        from PIL import Image  # noqa: PLC0415 - heavy, and only content-pinned files need it

        sink = io.BytesIO()
        if kind == "PNG":
            noise = stream(dataset, path, PIXELS * PIXELS * 3)
            Image.frombytes("RGB", (PIXELS, PIXELS), noise).save(sink, "PNG")
        else:
            Image.new("RGB", (1000, 1000), FLAT).save(sink, "JPEG", quality=85)
        return sink.getvalue()

    return make


def _nested() -> dict[str, Callable[[str, str], bytes]]:
    files = {f"data/raw/{month}/data_{n:03d}.csv": sensors(220 * KB) for month in MONTHS for n in range(11)}
    files["data/processed/totals.csv"] = sensors(200 * KB)
    files["data/processed/summary.json"] = padded_json(50 * KB, {"months": list(MONTHS), "files": 44})
    files[SPECIAL] = sensors(50 * KB)
    files["metadata/schema.json"] = padded_json(10 * KB, {"columns": ["id", "measurement", "sensor1"]})
    return files | {"docs/guide.md": text(5 * KB, "Guide"), "README.md": text(5 * KB, "Nested structure")}


def _versioned() -> dict[str, Callable[[str, str], bytes]]:
    size = 2_500_000
    shared = {"file2.csv": "data/file2.csv", "file3.csv": "data/file3.csv"}
    names = {"v1": ("file1.csv", "file2.csv", "file3.csv", "file5.csv"),
             "v2": ("file1.csv", "file2.csv", "file3.csv", "file4.csv")}  # fmt: skip
    return {f"{v}/data/{name}": sensors(size, shared.get(name, "")) for v, listed in names.items() for name in listed}


def readme(_dataset: str, path: str) -> bytes:
    """Return the description of a dataset, which people write."""
    return (Path(__file__).parent / "readme" / path).read_bytes()


DATASETS: Final = (
    "simple-csv", "nested-structure", "large-package", "mixed-formats", "versioned-data", "metadata-rich",
    "empty-package", "single-file",
)  # fmt: skip
FILES: Final[dict[str, dict[str, Callable[[str, str], bytes]]]] = {
    "simple-csv": {f"data{n}.csv": simple(200 * KB) for n in range(1, 6)},
    "nested-structure": _nested(),
    "large-package": {f"chunk_{n:03d}.bin": raw(CHUNK) for n in range(100)},
    "mixed-formats": {
        "data.json": records_json(10 * MB),
        "data.csv": simple(15 * MB),
        "data.parquet": parquet(PARQUET_ROWS),
        "image.png": image("PNG"),
        "image.jpg": image("JPEG"),
    },
    "versioned-data": _versioned(),
    "metadata-rich": {f"data/data_{n:02d}.csv": simple(500 * KB) for n in range(10)},
    "empty-package": {},
    "single-file": {"data.csv": simple(100 * KB)},
    "package-a": {"only_a.csv": simple(10 * KB), "shared_same.csv": sensors(10 * KB, "shared_same.csv"),
                  "shared_changed.csv": simple(10 * KB)},
    # shared_same.csv of package-b is the same object as that of package-a
    "package-b": {"only_b.csv": simple(10 * KB), "shared_changed.csv": simple(10 * KB)},
    "athena": {"test_table_1/data.parquet": parquet(1000, with_names=True)},
    "tabular": {"events.parquet": parquet(10_000, with_names=True)},
    "west": {"west.txt": text(1 * KB, "West")},
    "secret": {"hidden.txt": text(1 * KB, "Hidden")},
    "perf": {f"pkg-{n:03d}/data.txt": raw(100) for n in range(100)},
    "readme": {f"{name}.md": readme for name in DATASETS},
    "documents": {f"{name}/{DOCUMENT}": document for name in ("empty-package", "metadata-rich")},
}  # fmt: skip
BULK: Final = "bulk-src"  # ten thousand objects that the large packages point at; seeded where a suite names them
BULK_DIRECTORIES: Final = 10
BULK_FILES_EACH: Final = 1000
BULK_SIZE: Final = 100
FILES[BULK] = {
    f"dir_{directory:02d}/file_{number:03d}.bin": raw(BULK_SIZE)
    for directory in range(BULK_DIRECTORIES)
    for number in range(BULK_FILES_EACH)
}
ALWAYS: Final = tuple(name for name in FILES if name not in {*DATASETS, BULK})
DECOYED: Final = frozenset({"simple-csv", "mixed-formats", "metadata-rich"})


def main(dataset: str, *paths: str) -> None:
    """Write files to stdout, each after its size in 8 bytes; a closed pipe ends the process without a traceback."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for path in paths:
        data = generate(dataset, path)
        sys.stdout.buffer.write(len(data).to_bytes(SIZE_BYTES, "big") + data)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
