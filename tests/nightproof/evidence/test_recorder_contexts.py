"""Requests from threads, tasks, forks, child processes and fixtures: each in the channel and phase it belongs to."""

from __future__ import annotations

import contextvars
import http.client
import itertools
import json
import os
import socket
import threading
import xmlrpc.client
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from xml.parsers.expat import ExpatError

import httpx
import pytest
import requests

from nightproof.evidence import children
from nightproof.evidence.exchange import Exchange
from nightproof.evidence.state import TestState
from nightproof.evidence.state import channel
from nightproof.evidence.wire import opened
from nightproof.evidence.wire.links import Link
from tests.nightproof.evidence.test_plugin import run_pytest
from tests.nightproof.evidence.test_plugin import write_suite
from tests.nightproof.evidence.test_recorders import CLIENTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.nightproof.evidence.wire import Server

PREFIX = "run:1:0123456789abcdef"
IN_EVERY_CONTEXT = """
    import asyncio, multiprocessing, os, subprocess, sys, threading
    import httpx, pytest, requests
    from nightproof.evidence import channel
    URL = os.environ["SHOP"]
    CHILD = "import os, sys, requests; assert requests.get(os.environ['SHOP'] + sys.argv[1]).ok"

    def ask(path): assert requests.get(URL + path).ok
    def ask_in_child(path): subprocess.run([sys.executable, "-c", CHILD, path], check=True)
    def ask_in_fork(path):
        process = multiprocessing.get_context("fork").Process(target=ask, args=(path,))
        process.start()
        process.join()
        assert process.exitcode == 0
    def ask_in_thread(path):
        thread = threading.Thread(target=ask, args=(path,))
        thread.start()
        thread.join()
    async def ask_many(*paths):
        async with httpx.AsyncClient() as client:
            await asyncio.gather(*(client.get(URL + path) for path in paths))
            with channel("observer"):
                await asyncio.gather(client.get(URL + "/observer/task"), asyncio.to_thread(ask, "/observer/to-thread"))
    EVERY = {"plain": ask, "child": ask_in_child, "fork": ask_in_fork, "thread": ask_in_thread}

    @pytest.fixture
    def around():
        for name, one in EVERY.items(): one("/setup/" + name)
        yield
        for name, one in EVERY.items(): one("/teardown/" + name)

    def test_it(around):
        for name, one in EVERY.items():
            one("/call/" + name)
            with channel("observer"): one("/observer/" + name)
            with channel("control"): one("/control/" + name)
        asyncio.run(ask_many("/call/task", "/call/other-task"))
"""


def evidence_of(folder: Path) -> dict[str, Any]:
    """Read the evidence of the one test of a bare run."""
    (log,) = folder.glob(".nightproof/adhoc/*/events.jsonl")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    (found,) = (line for line in lines if line["$report_type"] == "TestEvidence")
    return dict(found)


def test_each_request_has_the_channel_and_phase_of_the_code_that_made_it(tmp_path: Path, server: Server) -> None:
    """The wire carries both for every way of starting something, and only the call phase's subject is evidence."""
    done = run_pytest(write_suite(tmp_path, IN_EVERY_CONTEXT), SHOP=server.url)
    assert "1 passed" in done.stdout, done.stdout
    seen = {
        path: headers["X-Test-Id"].split(":")[3:]
        for path, headers in zip(server.paths, server.headers_seen, strict=True)
    }
    assert len(seen) == 5 * 4 + 2 + 2
    wrong = {path: told for path, told in seen.items() if told != _expected(path)}
    assert wrong == {}
    assert evidence_of(tmp_path)["exchanges"]["http"] == 4 + 2


def _expected(path: str) -> list[str]:
    where = path.split("/")[1]
    return [where, "call"] if where in {"observer", "control"} else ["subject", where]


def test_every_library_counts_in_a_child_process(tmp_path: Path, server: Server) -> None:
    """A program that a test starts brings its libraries along, and each of its requests is evidence of the test."""
    source = """
        import os, subprocess, sys
        CODE = "import os, sys; sys.path.insert(0, os.environ['ROOT']); "
        CODE += "from tests.nightproof.evidence.test_recorders import CLIENTS; "
        CODE += "[ask(os.environ['SHOP'] + '/shop') for ask, _ in CLIENTS]"
        def test_it(): assert subprocess.run([sys.executable, "-c", CODE], check=True)
    """
    done = run_pytest(write_suite(tmp_path, source), SHOP=server.url, ROOT=str(Path.cwd()))
    assert "1 passed" in done.stdout, done.stdout
    exchanges = evidence_of(tmp_path)["exchanges"]
    assert {name: count for name, count in exchanges.items() if count} == {"http": len(CLIENTS) - 1, "s3": 1}
    assert {headers["X-Test-Id"].partition(":subject:")[2] for headers in server.headers_seen} == {"call"}


def test_a_child_of_an_earlier_test_is_no_evidence_of_a_later_one(tmp_path: Path, server: Server) -> None:
    """A process that a test leaves running goes on counting for that test, which is over."""
    source = """
        import os, subprocess, sys
        CODE = "import os, sys, requests; sys.stdin.read(); assert requests.get(os.environ['SHOP']).ok"
        KEPT = []
        def test_first(): KEPT.append(subprocess.Popen([sys.executable, "-c", CODE], stdin=subprocess.PIPE))
        def test_second():
            KEPT[0].communicate()
            assert KEPT[0].returncode == 0
    """
    done = run_pytest(write_suite(tmp_path, source), SHOP=server.url)
    assert "2 passed" in done.stdout, done.stdout
    assert "test_second: 1 assertions, exchanges: none" in done.stdout
    assert len(server.paths) == 1


@pytest.mark.parametrize("spoil", ["gone", "torn"])
def test_a_spoilt_file_of_counts_costs_nothing_but_the_counts(
    state: TestState, monkeypatch: pytest.MonkeyPatch, spoil: str
) -> None:
    """A suite that empties the temporary folder, or a child that dies in mid-line, breaks no session."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    offered = children.Children()
    offered.begin(PREFIX)
    path = offered._counts
    line = json.dumps({"prefix": PREFIX, "channel": "subject", "phase": "call", "protocol": "http", "answered": True})
    path.write_text(f"{line}\n{line[:20]}")
    offered.collect()
    path.unlink() if spoil == "gone" else path.write_text(f"{line}\n{line}\n")
    offered.collect()
    offered.close()
    assert state.exchanges["http"] == (1 if spoil == "gone" else 2)


@pytest.mark.parametrize(("ask", "protocol"), CLIENTS)
def test_worker_threads_count_and_carry_the_header(
    ask: Callable[[str], None], protocol: str, server: Server, state: TestState
) -> None:
    """Client libraries use threads of their own; the running test is the process's."""
    with channel("subject"):
        threads = [threading.Thread(target=ask, args=(server.url + "/shop",)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert state.exchanges[protocol] == 3
    assert [seen["X-Test-Id"] for seen in server.headers_seen] == [f"{PREFIX}:subject:call"] * 3


def test_two_threads_at_once_each_take_an_exchange_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both look before either takes, and both requests read the same."""
    monkeypatch.setattr(opened, "OPEN", deque())
    both, fits = threading.Barrier(2), Exchange.fits
    asked = itertools.count()

    def looked(exchange: Exchange, target: str) -> bool:
        if next(asked) < 2:
            both.wait(5)
        return fits(exchange, target)

    monkeypatch.setattr(Exchange, "fits", looked)
    exchanges = [Exchange("GET", "http://shop.test/a", "http") for _ in range(2)]
    opened.OPEN.extend(exchanges)
    with socket.socket() as one, socket.socket() as other:
        links = [Link(one), Link(other)]
        threads = [threading.Thread(target=opened.claim, args=(link, "/a")) for link in links]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {exchange.link for exchange in exchanges} == set(links)


def test_a_task_takes_the_exchange_that_it_began() -> None:
    """The answer of another request that reads the same says nothing of this one."""
    tasks = [contextvars.copy_context() for _ in range(2)]
    first, second = (task.run(Exchange, "GET", "http://shop.test/same", "http") for task in tasks)
    with socket.socket() as one, socket.socket() as other:
        links = [Link(one), Link(other)]
        assert tasks[1].run(opened.claim, links[1], "/same")
        assert tasks[0].run(opened.claim, links[0], "/same")
    assert [first.link, second.link] == links


def test_a_request_that_is_sent_again_over_its_connection_is_one_exchange() -> None:
    """A socket whose buffer is full refuses; what is sent then is the same request, not one more."""
    exchange = Exchange("GET", "http://shop.test/again", "http")
    with socket.socket() as sock:
        link = Link(sock)
        link.takes_back(link.asks(b"GET /again HTTP/1.1\r\n\r\n"))
        link.asks(b"GET /again HTTP/1.1\r\n\r\n")
    assert link.is_named
    assert exchange.link is link


def test_a_streamed_answer_counts_once_when_it_begins(server: Server, state: TestState) -> None:
    """Who reads an answer in pieces, or never, has one exchange; the beginning is kept for the evidence."""
    with httpx.stream("GET", server.url) as answer:
        assert state.exchanges["http"] == 1
        assert b"".join(answer.iter_bytes(3))
    with requests.get(server.url, stream=True, timeout=5) as streamed:
        assert b"".join(streamed.iter_content(4)).startswith(b'{"ok"')
    assert state.exchanges["http"] == len(server.paths) == 2


def test_a_request_sent_piece_by_piece_counts(server: Server, state: TestState) -> None:
    """Programs that use http.client below `request`, as xmlrpc does, are recorded with the header too."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
    connection.putrequest("GET", "/pieces")
    connection.endheaders()
    assert connection.getresponse().read()
    connection.close()
    with pytest.raises(ExpatError), xmlrpc.client.ServerProxy(server.url + "/rpc") as proxy:
        proxy.ask()
    assert state.exchanges["http"] == len(server.paths) == 2
    assert [seen["X-Test-Id"] for seen in server.headers_seen] == [f"{PREFIX}:subject:call"] * 2


@pytest.mark.parametrize("in_pieces", [True, False])
def test_a_connection_that_was_refused_may_be_used_again(server: Server, state: TestState, *, in_pieces: bool) -> None:
    """What never left counts as nothing, and the next request of the same object counts by itself."""
    connection = http.client.HTTPConnection("127.0.0.1", 1)
    with pytest.raises(ConnectionRefusedError):
        _send(connection, in_pieces=in_pieces)
    connection.close()
    connection.port = server.server_port
    _send(connection, in_pieces=in_pieces)
    assert connection.getresponse().read()
    connection.close()
    assert (state.exchanges["http"], state.unanswered) == (1, 0)


def _send(connection: http.client.HTTPConnection, *, in_pieces: bool) -> None:
    if in_pieces:
        connection.putrequest("GET", "/")
        connection.endheaders()
    else:
        connection.request("GET", "/")


def test_methods_of_unittest_are_assertions(tmp_path: Path, server: Server) -> None:
    """A suite of TestCase classes is not hollow; an assertion that asserts by others counts once."""
    source = """
        import os, unittest, requests
        class TestShop(unittest.TestCase):
            def test_it(self):
                self.assertEqual(requests.get(os.environ["SHOP"]).status_code, 200)
                self.assertEqual([1], [1])
                with self.assertRaises(ValueError): int("x")
    """
    done = run_pytest(write_suite(tmp_path, source), SHOP=server.url)
    assert "TestShop::test_it: 3 assertions, exchanges: http 1" in done.stdout, done.stdout
