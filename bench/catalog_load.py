"""Load the catalog with many read-only clients, and do the same reads through quilt3.

`python -m bench.catalog_load`. The mix is 50 % directory listing, 20 % package information, 20 % search, 10 % flat map
of all entries. The catalog's clients are plain HTTP connections, so that the numbers are the server's; those of quilt3
are threads of the library. The exit status is 1 when any answer was an error.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import re
import sys
import threading
import time
from collections import Counter
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field
from typing import Any
from typing import Final
from urllib.parse import urlsplit

from bench.timing import middle
from bench.timing import percentile
from bench.timing import ratio
from bench.timing import setting
from bench.timing import sign_in
from bench.timing import table
from nightproof.quilt import QuiltOpsError
from nightproof.quilt import documents

MIX: Final = {"dir listing": 50, "package info": 20, "search": 20, "flat map": 10}
PLACES: Final = (
    ("test-user/nested-structure", ""),
    ("test-user/nested-structure", "data"),
    ("test-user/nested-structure", "data/raw/2024-01"),
    ("test-user/mixed-formats", ""),
    ("test-user/large-package", ""),
)
WORDS: Final = ("csv", "nested", "mixed nested", "test-user", "nonexistent-xyz-123")
DOCUMENTS: Final = {
    "dir listing": documents.BROWSE,
    "package info": documents.PACKAGE_INFO,
    "search": documents.SEARCH_NEW,
    "flat map": documents.GET_PACKAGE,
}
REFUSED: Final = re.compile(rb'"errors"|"(data|package|revision|searchPackages)":\s*null')
TIMEOUT_S: Final = 120
Read = tuple[str, str, str, str]  # operation, package, path, words
Ask = Callable[[Read], str]  # returns the problem of the answer, or ""


@dataclass(slots=True)
class Load:
    """Measurements of all clients of one side."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    problems: Counter[str] = field(default_factory=Counter)
    wall_s: float = 0.0

    @property
    def number(self) -> int:
        """Return the number of answered reads."""
        return sum(len(values) for values in self.seconds.values())


def reads(seed: int) -> Iterator[Read]:
    """Yield an endless sequence of reads in the mix; the same seed yields the same sequence."""
    chance = random.Random(seed)  # noqa: S311 - a schedule, no secret
    while True:
        operation = chance.choices(list(MIX), weights=list(MIX.values()))[0]
        package, path = chance.choice(PLACES)
        yield operation, package, path, chance.choice(WORDS)


def load(make: Callable[[], Ask], clients: int, seconds: float) -> Load:
    """Read from `clients` threads without pause for `seconds`; `make` returns each thread's own client."""
    found, lock = Load(), threading.Lock()
    begin = time.monotonic()

    def work(number: int) -> None:
        ask = make()
        for read in reads(number):
            started = time.monotonic()
            problem = ask(read)
            taken = time.monotonic() - started
            with lock:
                found.seconds[read[0]].append(taken)
                if problem:
                    found.problems[problem] += 1
            if time.monotonic() - begin > seconds:
                return

    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found.wall_s = time.monotonic() - begin
    return found


class Wire:
    """One plain connection to the catalog's GraphQL interface."""

    def __init__(self, url: str, headers: dict[str, str], bucket: str) -> None:
        parts = urlsplit(url)
        self._path, self._bucket = parts.path, bucket
        self._headers = headers | {"Content-Type": "application/json"}
        self._connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_S)

    def __call__(self, read: Read) -> str:
        """Send one read; return the problem of its answer, or ""."""
        operation, package, path, words = read
        variables: dict[str, Any] = {"bucket": self._bucket, "name": package, "hash": "latest"}
        if operation == "dir listing":
            variables["path"] = path
        if operation == "search":
            variables = {"buckets": [self._bucket], "text": words, "size": 1000}
        body = json.dumps({"query": DOCUMENTS[operation], "variables": variables})
        try:
            self._connection.request("POST", self._path, body, self._headers)
            answer = self._connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            return f"{operation}: {type(error).__name__}"
        if answer.status != http.client.OK:
            return f"{operation}: status {answer.status}"
        return f"{operation}: {text[:200]!r}" if REFUSED.search(text[:2000]) else ""


class Library:
    """A client that does the same reads through quilt3."""

    def __init__(self, ops: Any, registry: str) -> None:
        self._ops, self._registry = ops, registry

    def __call__(self, read: Read) -> str:
        """Do one read; return the problem of its answer, or ""."""
        try:
            self._ask(*read)
        except QuiltOpsError as error:
            return f"{read[0]}: {type(error).__name__}"
        return ""

    def _ask(self, operation: str, package: str, path: str, words: str) -> None:
        if operation == "dir listing":
            self._ops.browse_content(package, self._registry, path)
        elif operation == "package info":
            self._ops.get_package_info(package, self._registry)
        elif operation == "search":
            self._ops.search_packages(words, self._registry)
        else:
            import quilt3  # noqa: PLC0415 - fixes its folders at import, and is signed in by now

            dict(quilt3.Package.browse(package, self._registry).walk())


def main(arguments: list[str] | None = None) -> int:
    """Measure both sides and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args(arguments)
    registry = setting("QUILT_TEST_REGISTRY_URL")
    platform, quilt3 = sign_in("platform"), sign_in("quilt3")
    url, headers = platform.get_graphql_endpoint(), platform.get_graphql_auth_headers()
    quilt3.list_all_packages(registry)  # signs the library in before the clock runs
    bucket = registry.removeprefix("s3://")
    sides = {
        "catalog": load(lambda: Wire(url, headers, bucket), given.clients, given.seconds),
        "quilt3": load(lambda: Library(quilt3, registry), given.clients, given.seconds),
    }
    sys.stdout.write(report(sides, given.clients) + "\n")
    return int(any(side.problems for side in sides.values()))


def report(sides: dict[str, Load], clients: int) -> str:
    """Return the table of both sides with the ratio of the medians, the rates and the errors."""
    catalog, library = sides["catalog"], sides["quilt3"]
    rows = []
    for operation in MIX:
        one, other = catalog.seconds[operation], library.seconds[operation]
        if one and other:
            rows.append([operation, *_cells(one), *_cells(other), ratio(middle(one), middle(other))])
    head = ("read", "catalog n", "p50 ms", "p95 ms", "quilt3 n", "p50 ms", "p95 ms", "ratio of p50")
    rates = [f"{name} {side.number / side.wall_s:.0f} reads/s over {side.wall_s:.0f} s" for name, side in sides.items()]
    problems = [f"{name}: {text} ({n})" for name, side in sides.items() for text, n in side.problems.most_common(5)]
    told = "; ".join(problems) or "none"
    return f"{table(head, rows)}\n\n{clients} clients: {', '.join(rates)}. Answers that were errors: {told}."


def _cells(values: list[float]) -> list[str]:
    return [str(len(values)), f"{1000 * middle(values):.0f}", f"{1000 * percentile(values, 0.95):.0f}"]


if __name__ == "__main__":
    sys.exit(main())
