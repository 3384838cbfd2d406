"""Results of 1,000 and 10,000 items: complete, within their time limits, and in little memory."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING
from typing import Any

from nightproof.evidence import case
from nightproof.evidence import note

if TYPE_CHECKING:
    from suites._support.athena import Tabulator
    from suites._support.isolated import Isolated
    from suites._support.seeds import Seeds
    from suites._support.settings import Settings

JOURNEY = "browse-data"
LIMITS_S = {"keys": 30, "hits": 5, "names_by_30": 10, "names_by_100": 10, "files": 10, "rows": 60, "flat": 10}
LIMIT_BYTES = 200_000_000
DEADLINE_S = 110
PREFIX = "bulk-src/dir_00/"
FILES = [f"file_{number:03}.bin" for number in range(1000)]


@case(tier="high", category="performance", needs=("athena",), journey=JOURNEY, serial=True)
def test_large_result_sets(isolated: Isolated, seeds: Seeds, target: Settings, tabulator: Tabulator) -> None:
    """Large listings, searches, pages, tables and maps hold exactly the seeded items once, whatever the page size."""
    found = isolated.run(
        "large",
        deadline_s=DEADLINE_S,
        bucket=target.perf,
        prefix=PREFIX,
        word="perfpkg",
        table=tabulator.place(target.data, "events_parquet"),
        limits_s=LIMITS_S,
        time_factor=target.time_factor,
        credentials=target.credentials(target.user),
    )
    pages = found["keys"]["answer"]
    assert [len(page) for page in pages] == [300, 300, 300, 100]
    assert [key for page in pages for key in page] == [f"{PREFIX}{file}" for file in FILES]
    packages = seeds.packages_of({target.perf})
    words = [name for name in packages if name.startswith("perf/")]
    assert len(words) == len(found["hits"]["answer"]) == 100
    assert dict(found["hits"]["answer"]) == {name: seeds.top_hash(name) for name in words}
    _check_names(found, sorted(packages))
    assert found["files"]["answer"] == [[file, "file", 100] for file in FILES]
    rows = found["rows"]["answer"]
    assert len(rows) == seeds.manifest["tables"]["events_parquet"]["rows"] == 10_000
    assert [row[:2] for row in rows] == [[str(number), f"name_{number:04d}"] for number in range(10_000)]
    assert found["flat"]["answer"] == {
        "bulk/files-1000": [1000, dict.fromkeys(FILES, 100)],
        "bulk/files-10000": [10_000, None],
    }
    _check_costs(found, target)


def _check_names(found: dict[str, Any], names: list[str]) -> None:
    """Compare the package names of both page sizes with each other and with the seeds."""
    by_30, by_100 = found["names_by_30"]["answer"], found["names_by_100"]["answer"]
    assert ([len(page) for page in by_30], [len(page) for page in by_100]) == ([30, 30, 30, 13], [100, 3])
    listed = [name for page in by_30 for name in page]
    assert listed == [name for page in by_100 for name in page] == names
    assert len(set(listed)) == 103


def _check_costs(found: dict[str, Any], target: Settings) -> None:
    """Check every read against its limits of time and memory."""
    assert found.keys() == LIMITS_S.keys()
    for name, reading in found.items():
        note(f"{name}_s", reading["seconds"])
        assert reading["steady"] is True
        assert statistics.median(reading["seconds"]) < LIMITS_S[name] * target.time_factor
        assert reading["grown_bytes"] < LIMIT_BYTES
