"""Evidence is what a socket received from a declared endpoint, whichever client sent the request."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.nightproof.evidence.nearby import counts
from tests.nightproof.evidence.nearby import echo
from tests.nightproof.evidence.nearby import evidence_of_each
from tests.nightproof.evidence.nearby import listening

if TYPE_CHECKING:
    from pathlib import Path

    from tests.nightproof.evidence.wire import Server

BY_EVERY_CLIENT = """
    import asyncio, os, socket, subprocess, sys, threading, urllib.request
    import multiprocessing as mp
    from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
    import aiohttp, httpcore, httpx, requests
    URL, ECHO = os.environ["SHOP"], ("127.0.0.1", int(os.environ["ECHO"]))

    def say(_=None):
        with socket.create_connection(ECHO) as opened:
            opened.sendall(b"hi")
            return opened.recv(9) == b"echo hi"

    def test_raw(): assert say()
    def test_two_rounds():
        with socket.create_connection(ECHO) as opened, opened.makefile("rwb", buffering=0) as file:
            for _ in range(2):
                file.write(b"hi")
                assert file.read(9) == b"echo hi"
    def test_by_hand():
        with socket.create_connection((ECHO[0], int(URL.rpartition(":")[2]))) as opened:
            opened.sendall(b"GET /by-hand HTTP/1.0\\r\\n\\r\\n")
            assert b"200 OK" in opened.recv(99)
    def test_streams():
        async def ask():
            reader, writer = await asyncio.open_connection(*ECHO)
            writer.write(b"hi")
            return await reader.read(9)
        assert asyncio.run(ask()) == b"echo hi"
    def test_threads():
        with ThreadPoolExecutor(3) as pool: assert all(pool.map(say, range(3)))
    def test_forks():
        with ProcessPoolExecutor(2, mp_context=mp.get_context("fork")) as pool: assert all(pool.map(say, range(2)))
    def test_child():
        code = "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); s.send(b'x'); "
        code += "s.recv(9)"
        assert subprocess.run([sys.executable, "-c", code, str(ECHO[1])]).returncode == 0
    def test_httpcore(): assert httpcore.request("GET", URL).status == 200
    def test_gather():
        async def ask():
            async with httpx.AsyncClient() as c, aiohttp.ClientSession() as s:
                found = await asyncio.gather(*(c.get(URL) for _ in range(2)), s.get(URL + "/redirect"))
                return found[0].status_code
        assert asyncio.run(ask()) == 200
"""
COUNTED = {
    "test_raw": {"tcp": 1},
    "test_two_rounds": {"tcp": 2},
    "test_by_hand": {"tcp": 1},
    "test_streams": {"tcp": 1},
    "test_threads": {"tcp": 3},
    "test_forks": {"tcp": 2},
    "test_child": {"tcp": 1},
    "test_httpcore": {"http": 1},
    "test_gather": {"http": 4},
}
BY_NOBODY = """
    import io, os, socket, subprocess, sys, threading, urllib.request
    import http.client, http.server
    import unittest.mock as um
    import httpcore, httpx, requests, urllib3
    URL = os.environ["SHOP"]
    HEAD = b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nhi"

    class Fake:
        def sendall(self, data): pass
        def makefile(self, *args, **kwargs): return io.BytesIO(HEAD)
        def setsockopt(self, *args): pass
        def settimeout(self, *args): pass
        def close(self): pass

    def test_patched_connection(monkeypatch):
        monkeypatch.setattr(socket, "create_connection", lambda *args, **kwargs: Fake())
        assert urllib.request.urlopen(URL).read() == b"hi"
    def test_backend_of_httpcore():
        pool = httpcore.ConnectionPool(network_backend=httpcore.MockBackend([HEAD]))
        assert pool.request("GET", URL).content == b"hi"
    def test_pool_in_a_transport():
        transport = httpx.HTTPTransport()
        transport._pool = httpcore.ConnectionPool(network_backend=httpcore.MockBackend([HEAD]))
        assert httpx.Client(transport=transport).get(URL).text == "hi"
    def test_transport():
        transport = httpx.MockTransport(lambda request: httpx.Response(200, text="hi"))
        assert httpx.Client(transport=transport).get(URL).text == "hi"
    def test_patched_answer():
        answer = um.Mock(status=200, read=lambda: b"hi")
        connection = http.client.HTTPConnection
        with um.patch.object(connection, "connect"), um.patch.object(connection, "send"), \\
                um.patch.object(connection, "getresponse", return_value=answer):
            asked = connection("shop.example")
            asked.request("GET", "/")
            assert asked.getresponse().read() == b"hi"
    def test_patched_pool(monkeypatch):
        made = lambda *args, **kwargs: urllib3.HTTPResponse(body=io.BytesIO(b"hi"), status=200, preload_content=False)
        monkeypatch.setattr(urllib3.HTTPConnectionPool, "urlopen", made)
        assert requests.get(URL).content == b"hi"
    def test_file(tmp_path):
        (tmp_path / "f").write_text("hi")
        assert urllib.request.urlopen((tmp_path / "f").as_uri()).read() == b"hi"
    def test_pair():
        here, there = socket.socketpair()
        with here, there:
            here.sendall(b"a"); there.recv(1); there.sendall(b"b")
            assert here.recv(1) == b"b"
    def test_nobody_listens():
        try: requests.get("http://127.0.0.1:1/")
        except requests.ConnectionError as error: assert error
"""
OWN_SERVERS = """
    import os, socket, subprocess, sys, threading, time, urllib.request
    import http.server
    PORT = int(os.environ["PORT"])
    SERVE = "import http.server as h, sys; h.HTTPServer(('127.0.0.1', int(sys.argv[1])), h.SimpleHTTPRequestHandler)"
    SERVE += ".serve_forever()"

    def ask(): return urllib.request.urlopen(f"http://127.0.0.1:{PORT}/").status
    def await_server():
        deadline = time.monotonic() + 20
        while True:
            try: return socket.create_connection(("127.0.0.1", PORT)).close()
            except OSError: assert time.monotonic() < deadline
            time.sleep(0.02)

    def test_thread():
        server = http.server.ThreadingHTTPServer(("0.0.0.0", PORT), http.server.SimpleHTTPRequestHandler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            assert ask() == 200
            code = f"import urllib.request as u; assert u.urlopen('http://127.0.0.1:{PORT}/').status == 200"
            subprocess.run([sys.executable, "-c", code], check=True)
        finally:
            server.shutdown()
            server.server_close()
    def test_child():
        with subprocess.Popen([sys.executable, "-c", SERVE, str(PORT)], stderr=subprocess.DEVNULL) as server:
            try:
                await_server()
                assert ask() == 200
            finally: server.kill()
"""


@pytest.mark.parametrize("is_declared", [True, False])
def test_every_client_of_python_counts(tmp_path: Path, server: Server, *, is_declared: bool) -> None:
    """Each answer counts once under its protocol: raw, streamed, threaded, forked or by a recorded library."""
    with listening(echo) as port:
        hosts = (f"127.0.0.1:{port}", f"localhost:{server.server_port}") if is_declared else ()
        found = evidence_of_each(tmp_path, BY_EVERY_CLIENT, hosts=hosts, SHOP=server.url, ECHO=str(port))
    assert {name: counts(line) for name, line in found.items()} == COUNTED
    assert {line["proof"] for line in found.values()} == {"call"}


def test_answers_of_others_are_no_evidence(tmp_path: Path, server: Server) -> None:
    """If endpoints are declared, answers from other servers do not count."""
    with listening(echo) as port:
        found = evidence_of_each(tmp_path, BY_EVERY_CLIENT, hosts=("192.0.2.1",), SHOP=server.url, ECHO=str(port))
    assert {name: counts(line) for name, line in found.items()} == {name: {} for name in COUNTED}


@pytest.mark.parametrize("is_declared", [True, False])
def test_fakes_in_the_process_are_no_evidence(tmp_path: Path, server: Server, *, is_declared: bool) -> None:
    """Answers of fakes inside the process do not count, although every test passes."""
    hosts = (f"127.0.0.1:{server.server_port}", "192.0.2.1:80") if is_declared else ()
    found = evidence_of_each(tmp_path, BY_NOBODY, hosts=hosts, SHOP=server.url)
    assert {name: counts(line) for name, line in found.items()} == {name: {} for name in found}
    assert len(found) == 9
    assert not server.paths


@pytest.mark.parametrize("is_declared", [True, False])
def test_servers_of_the_test_itself_are_no_evidence(tmp_path: Path, *, is_declared: bool) -> None:
    """A server in a thread or child of the test does not count, even on the declared port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    hosts = (f"127.0.0.1:{port}",) if is_declared else ()
    found = evidence_of_each(tmp_path, OWN_SERVERS, hosts=hosts, PORT=str(port))
    assert {name: counts(line) for name, line in found.items()} == {"test_thread": {}, "test_child": {}}
