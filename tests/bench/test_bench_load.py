"""The benchmark measures what it claims: the mix, every client, every wrong answer."""

from __future__ import annotations

import http.server
import itertools
import threading
from typing import TYPE_CHECKING
from typing import Final

import pytest

from bench import catalog_load
from bench import timing
from bench.construct import entries

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWERS: Final = {
    "/good": (200, b'{"data": {"package": {"name": "a"}}}'),
    "/null": (200, b'{"data": {"package": null}}'),
    "/errors": (200, b'{"data": {}, "errors": [{"message": "no"}]}'),
    "/broken": (503, b"busy"),
}
READ: Final = ("dir listing", "test-user/mixed-formats", "", "csv")


class Catalog(http.server.BaseHTTPRequestHandler):
    """A server whose answer depends on the path alone."""

    def do_POST(self) -> None:
        """Send the answer for the path."""
        self.rfile.read(int(self.headers["Content-Length"]))
        status, body = ANSWERS[self.path]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Log nothing."""


@pytest.fixture
def catalog() -> Iterator[str]:
    """Yield the address of a server with the answers above."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Catalog)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/good", ""),
        ("/null", "dir listing: b'"),
        ("/errors", "dir listing: b'"),
        ("/broken", "dir listing: status 503"),
    ],
)
def test_only_an_answer_with_data_is_right(catalog: str, path: str, problem: str) -> None:
    """A refusal, an error or a missing package counts as a wrong answer."""
    found = catalog_load.Wire(f"{catalog}{path}", {}, "bucket")(READ)
    assert found.startswith(problem)
    assert bool(found) == bool(problem)


def test_dead_catalog_is_a_wrong_answer() -> None:
    """A refused connection is counted as a problem and ends no client."""
    assert catalog_load.Wire("http://127.0.0.1:9/graphql", {}, "bucket")(READ) == "dir listing: ConnectionRefusedError"


def test_reads_come_in_the_mix_and_are_the_same_on_every_side() -> None:
    """The reads follow the shares in MIX, and one seed leads to the same sequence again."""
    first, second = (list(itertools.islice(catalog_load.reads(7), 4000)) for _ in range(2))
    assert first == second
    shares = {name: 100 * sum(read[0] == name for read in first) / len(first) for name in catalog_load.MIX}
    assert {name: round(share / 5) * 5 for name, share in shares.items()} == catalog_load.MIX


def test_every_client_is_measured_and_problems_are_counted() -> None:
    """The report has the reads of all clients and counts their problems."""
    made: list[object] = []

    def make() -> catalog_load.Ask:
        made.append(object())
        return lambda _read: "status 503"

    found = catalog_load.load(make, clients=3, seconds=0.05)
    assert len(made) == 3
    assert found.problems["status 503"] == found.number >= 3
    text = catalog_load.report({"catalog": found, "quilt3": found}, 3)
    assert any(f"| {operation} | {len(values)} |" in text for operation, values in found.seconds.items())
    assert f"catalog: status 503 ({found.number})" in text


def test_missing_variable_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing variable ends the benchmark with a sentence that has the remedy."""
    monkeypatch.delenv("QUILT_TEST_CATALOG_URL", raising=False)
    with pytest.raises(SystemExit, match="nightproof testbed"):
        timing.setting("QUILT_TEST_CATALOG_URL")


def test_numbers_are_plain() -> None:
    """A percentile is one of the values themselves, and a ratio to zero is shown as a dash."""
    assert timing.percentile([3.0, 1.0, 2.0], 0.95) == 3.0
    assert (timing.ratio(3.0, 2.0), timing.ratio(1.0, 0.0)) == ("1.50", "–")
    assert [entry["logical_key"] for entry in entries("b", 1001)][-1] == "dir_01/file_000.bin"
