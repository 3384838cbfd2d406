"""Construct a package of 10,000 entries and browse 1,000 files on both backends: `python -m bench.construct`.

The sources are seeds (`bulk-src` and `bulk/files-1000` in the performance bucket); the packages are removed again.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from bench.timing import middle
from bench.timing import ratio
from bench.timing import setting
from bench.timing import sign_in
from bench.timing import table

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightproof.quilt import QuiltOps

CONSTRUCT_LIMIT_S: Final = 120.0
BROWSE_LIMIT_S: Final = 2.0
FILES_OF_A_FOLDER: Final = 1000
WALL: Final = "bulk/files-1000"
BACKENDS: Final = ("platform", "quilt3")


def entries(bucket: str, number: int) -> list[dict[str, Any]]:
    """Return `number` package entries that point to the seeded sources."""
    names = (f"dir_{i // FILES_OF_A_FOLDER:02}/file_{i % FILES_OF_A_FOLDER:03}.bin" for i in range(number))
    return [{"logical_key": name, "physical_key": f"s3://{bucket}/bulk-src/{name}"} for name in names]


def timed(act: Callable[[], Any]) -> tuple[float, Any]:
    """Return the call's seconds and its result."""
    begin = time.monotonic()
    answer = act()
    return time.monotonic() - begin, answer


def construct(ops: QuiltOps, number: int) -> tuple[float, str]:
    """Construct a package in the work registry and delete it; return the seconds of the construction and the hash."""
    registry = f"s3://{setting('QUILT_TEST_BUCKET_WORK')}"
    name, sources = f"np-bench/construct-{secrets.token_hex(4)}", entries(setting("QUILT_TEST_BUCKET_PERF"), number)
    seconds, made = timed(lambda: ops.create_package_revision(name, registry, sources, message="benchmark"))
    ops.delete_package(name, registry)
    if made.file_count != number:
        raise SystemExit(f"{name} holds {made.file_count} of {number} entries: the construction lost some.")
    return seconds, made.top_hash


def browse(ops: QuiltOps) -> tuple[float, int]:
    """Browse a package with 1,000 files in one directory five times; return the median seconds and the file count."""
    registry = f"s3://{setting('QUILT_TEST_BUCKET_PERF')}"
    found = [timed(lambda: len(ops.browse_content(WALL, registry))) for _ in range(5)]
    return middle([seconds for seconds, _ in found]), found[0][1]


def main(arguments: list[str] | None = None) -> int:
    """Measure both backends and print the table; return 1 when a limit is exceeded or the backends disagree."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--entries", type=int, default=10_000)
    number = parser.parse_args(arguments).entries
    sides = {backend: sign_in(backend) for backend in BACKENDS}
    for ops in sides.values():
        ops.list_all_packages(setting("QUILT_TEST_REGISTRY_URL"))  # signs in before the clock runs
    constructed = {name: construct(ops, number) for name, ops in sides.items()}
    browsed = {name: browse(ops) for name, ops in sides.items()}
    rows = [
        _row(f"construct {number} entries", [constructed[name][0] for name in BACKENDS], CONSTRUCT_LIMIT_S),
        _row("browse 1000 files", [browsed[name][0] for name in BACKENDS], BROWSE_LIMIT_S),
    ]
    sys.stdout.write(table(("what", "platform s", "quilt3 s", "ratio", "limit s"), rows) + "\n")
    agree = len({it[1] for it in constructed.values()}) == len({it[1] for it in browsed.values()}) == 1
    fast = max(it[0] for it in constructed.values()) <= CONSTRUCT_LIMIT_S
    return int(not (agree and fast and max(it[0] for it in browsed.values()) <= BROWSE_LIMIT_S))


def _row(what: str, seconds: list[float], limit_s: float) -> list[str]:
    return [what, *(f"{it:.2f}" for it in seconds), ratio(seconds[0], seconds[1]), f"{limit_s:g}"]


if __name__ == "__main__":
    sys.exit(main())
