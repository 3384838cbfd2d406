"""The generators: the same bytes everywhere, as pinned, in the promised sizes and shapes."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys

import pytest

from nightproof.datasets.content import CONTENT_PINNED
from nightproof.datasets.generators import DATASETS
from nightproof.datasets.generators import FILES
from nightproof.datasets.generators import generate
from nightproof.datasets.generators import records_json
from nightproof.datasets.generators import sensors
from nightproof.datasets.generators import simple
from nightproof.datasets.hashing import chunked
from nightproof.datasets.manifest import pinned
from nightproof.datasets.stream import Numbers
from nightproof.datasets.stream import seed_text
from nightproof.datasets.stream import stream

SMALL = ("simple-csv", "single-file", "package-a", "package-b", "west", "secret", "perf", "readme", "documents")
SPOT = (
    ("nested-structure", "data/special/a b+c#d%25 ü.csv"),
    ("nested-structure", "data/processed/summary.json"),
    ("nested-structure", "docs/guide.md"),
    ("metadata-rich", "data/data_07.csv"),
    ("large-package", "chunk_042.bin"),
    ("versioned-data", "v1/data/file2.csv"),
    ("mixed-formats", "data.parquet"),
    ("mixed-formats", "image.png"),
)


def by_the_book(dataset: str, path: str, size: int) -> bytes:
    """Compute the stream again as the rule is written: SHA-256 of the seed and a big-endian 64-bit counter."""
    seed = hashlib.sha256(f"nightproof:1.0.0:{dataset}:{path}".encode()).digest()
    blocks = [hashlib.sha256(seed + number.to_bytes(8, "big")).digest() for number in range(size // 32 + 1)]
    return b"".join(blocks)[:size]


@pytest.mark.parametrize("dataset", SMALL)
def test_small_datasets_are_as_pinned(dataset: str) -> None:
    """Every byte-pinned file of a small dataset has its committed size and hashes."""
    for path in FILES[dataset]:
        data, fact = generate(dataset, path), pinned()[f"{dataset}/{path}"]
        assert fact["pin"] == "bytes"
        assert len(data) == fact["bytes"], path
        assert hashlib.sha256(data).hexdigest() == fact["sha256"], path
        assert chunked(data) == fact["sha2_256_chunked"], path


@pytest.mark.parametrize(("dataset", "path"), SPOT)
def test_big_datasets_are_as_pinned_at_a_spot(dataset: str, path: str) -> None:
    """One file of each big dataset has its committed hash."""
    assert hashlib.sha256(generate(dataset, path)).hexdigest() == pinned()[f"{dataset}/{path}"]["sha256"]


@pytest.mark.parametrize("path", ["chunk_000.bin", "chunk_099.bin"])
def test_a_stream_is_the_written_rule(path: str) -> None:
    """The stream's first bytes follow the documented rule for every length."""
    assert stream("large-package", path, 100) == by_the_book("large-package", path, 100)
    assert stream("large-package", path, 32) == by_the_book("large-package", path, 32)
    assert stream("large-package", path, 0) == b""


def test_a_stream_depends_on_its_own_name_only() -> None:
    """Other datasets and other paths give other bytes; a longer reading begins like a shorter one."""
    assert stream("a", "x", 64) != stream("b", "x", 64)
    assert stream("a", "x", 64) != stream("a", "y", 64)
    assert stream("a", "x", 640)[:64] == stream("a", "x", 64)
    assert seed_text("a") == "nightproof:1.0.0:a"


def test_numbers_are_words_of_the_stream() -> None:
    """A number is a big-endian word over 2^32 with six decimals, also beyond the first block."""
    numbers = Numbers("simple-csv", "data1.csv")
    raw = by_the_book("simple-csv", "data1.csv", 40)
    expected = [f"{int.from_bytes(raw[at : at + 4], 'big') / 2**32:.6f}" for at in range(0, 40, 4)]
    assert [numbers.text() for _ in range(10)] == expected


@pytest.mark.parametrize("size", [10_000, 10_001, 10_031, 10_063])
def test_tables_hit_their_size_exactly(size: int) -> None:
    """A table has exactly its size, equal column counts, a note that is empty but in the last row, a newline."""
    for make in (simple(size), sensors(size)):
        data = make("single-file", "data.csv")
        lines = data.decode().split("\n")
        assert len(data) == size
        assert lines.pop() == ""
        assert len({line.count(",") for line in lines}) == 1
        assert lines[0].endswith(",note")
        assert all(line.endswith(",") for line in lines[1:-1])
        assert set(lines[-1].rsplit(",", 1)[1]) == {"x"}


def test_a_simple_table_has_its_columns() -> None:
    """Names, categories by id and hourly moments of the first rows are as documented."""
    header, first, second, *_ = generate("simple-csv", "data1.csv").decode().splitlines()
    assert header == "id,name,value,category,timestamp,note"
    assert first.split(",")[0:2] == ["0", "name_0000"]
    assert first.split(",")[3:] == ["A", "2024-01-01T00:00:00+00:00", ""]
    assert second.split(",")[3:] == ["B", "2024-01-01T01:00:00+00:00", ""]


@pytest.mark.parametrize("size", [5_000, 5_007, 5_050])
def test_records_are_json_of_the_exact_size(size: int) -> None:
    """The array of records is valid JSON with ascending ids and hits its size."""
    data = records_json(size)("mixed-formats", "data.json")
    records = json.loads(data)
    assert len(data) == size
    assert [record["id"] for record in records] == list(range(len(records)))
    assert set(records[-1]["note"]) == {"x"}


def test_two_revisions_share_what_they_should() -> None:
    """Of the versioned files the second and third are equal, the others differ."""
    names = sorted(FILES["versioned-data"])
    facts = {name: pinned()[f"versioned-data/{name}"]["sha256"] for name in names}
    assert [name for name in names if name[:2] == "v1"] == [f"v1/data/file{n}.csv" for n in (1, 2, 3, 5)]
    assert [name for name in names if name[:2] == "v2"] == [f"v2/data/file{n}.csv" for n in (1, 2, 3, 4)]
    assert facts["v1/data/file1.csv"] != facts["v2/data/file1.csv"]
    assert facts["v1/data/file2.csv"] == facts["v2/data/file2.csv"]
    assert facts["v1/data/file3.csv"] == facts["v2/data/file3.csv"]
    assert len(set(facts.values())) == 6


def test_the_datasets_have_their_promised_totals() -> None:
    """File counts and bytes per dataset are those of the plan."""
    files = {name: len(FILES[name]) for name in DATASETS}
    sizes = {name: sum(pinned()[f"{name}/{path}"]["bytes"] for path in FILES[name]) for name in DATASETS}
    assert files == {
        "simple-csv": 5, "nested-structure": 50, "large-package": 100, "mixed-formats": 5, "versioned-data": 8,
        "metadata-rich": 10, "empty-package": 0, "single-file": 1,
    }  # fmt: skip
    assert abs(sizes.pop("mixed-formats") - 50_000_000) <= 1_000_000
    assert sizes == {
        "simple-csv": 1_000_000, "nested-structure": 10_000_000, "large-package": 500_000_000,
        "versioned-data": 20_000_000, "metadata-rich": 5_000_000, "empty-package": 0, "single-file": 100_000,
    }  # fmt: skip


def test_only_encoded_formats_are_pinned_by_content() -> None:
    """Parquet and images are pinned by content, everything else by bytes."""
    by_content = {key for key, fact in pinned().items() if fact["pin"] == "content"}
    assert by_content == {key for key in pinned() if key.endswith(CONTENT_PINNED)}
    assert len(by_content) == 5


def test_another_process_in_another_place_gives_the_same_bytes() -> None:
    """Hash seed, time zone and locale of a process change no byte."""
    code = (
        "import sys,hashlib;from nightproof.datasets.generators import generate;"
        "print(hashlib.sha256(generate('single-file','data.csv')).hexdigest())"
    )
    env = os.environ | {"PYTHONHASHSEED": "7", "TZ": "Pacific/Auckland", "LC_ALL": "C"}
    child = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert child.stdout.strip() == pinned()["single-file/data.csv"]["sha256"]


def test_a_process_gives_files_until_its_pipe_closes() -> None:
    """Each file follows its size, and closing the pipe ends the process silently."""
    command = [
        sys.executable,
        "-m",
        "nightproof.datasets.generators",
        "large-package",
        "chunk_007.bin",
        "chunk_008.bin",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout
        assert child.stderr
        size = int.from_bytes(child.stdout.read(8), "big")
        assert size == pinned()["large-package/chunk_007.bin"]["bytes"]
        data = child.stdout.read(size)
        child.stdout.close()
        assert child.stderr.read() == b""
    assert hashlib.sha256(data).hexdigest() == pinned()["large-package/chunk_007.bin"]["sha256"]
    assert child.returncode == -signal.SIGPIPE
