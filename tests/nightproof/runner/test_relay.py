"""The relay counts traffic that no recorder in Python sees: by test and phase, for declared endpoints only."""

from __future__ import annotations

import json
import socket
import ssl
import time
from functools import partial
from typing import TYPE_CHECKING
from typing import Any

import pytest

from nightproof.runner.cell import GroupRegistry
from nightproof.runner.cell import run_cell
from nightproof.waiting import await_value
from tests.nightproof.evidence.nearby import answer_http
from tests.nightproof.evidence.nearby import counts
from tests.nightproof.evidence.nearby import echo
from tests.nightproof.evidence.nearby import forward
from tests.nightproof.evidence.nearby import listening
from tests.nightproof.evidence.nearby import make_certificate

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from pathlib import Path

    from nightproof.runner.cell import CellPlan
    from tests.nightproof.evidence.wire import Server

CLOSED_S = 10  # for a killed process to be reaped on a busy machine
# A child whose interpreter takes no word of the recorders, as a program of another language would not.
LEAVING = """
    import os, socket, subprocess, sys, urllib.request
    import pytest
    from nightproof.evidence import channel
    PROXIES = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    URL, OTHER = os.environ["NIGHTPROOF_URL_SHOP"], os.environ.get("OTHER")

    def run(code, *words):
        done = subprocess.run([sys.executable, "-I", "-c", code, *words], env=PROXIES, capture_output=True, text=True)
        return done.stdout.strip() or done.stderr
    def ask(url=URL):
        return run("import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).status)", url)
    def say(*words):
        host, _, port = os.environ["NIGHTPROOF_URL_ECHO"].rpartition("/")[2].rpartition(":")
        code = "import socket, sys\\nwith socket.create_connection((sys.argv[1], int(sys.argv[2]))) as s:\\n"
        code += " for word in sys.argv[3:]: s.sendall(word.encode()); print(s.recv(99).decode())"
        return run(code, host, port, *words)
"""
ASK = """import os, ssl, sys, urllib.request
context = ssl.create_default_context(cafile=os.environ["CA_proxy"])
print(urllib.request.urlopen(sys.argv[1], context=context).status)
"""
CONNECT = """import os, socket, ssl, sys, urllib.parse
proxy, host = urllib.parse.urlsplit(os.environ["https_proxy"]), urllib.parse.urlsplit(sys.argv[1])
plain = socket.create_connection((proxy.hostname, proxy.port))
plain.sendall(f"CONNECT {host.netloc} HTTP/1.1\\r\\n\\r\\n".encode())
assert b" 200 " in plain.recv(999)
"""
SHAKE = """
context = ssl.create_default_context(cafile=os.environ["CA_proxy"])
with context.wrap_socket(plain, server_hostname=host.hostname) as opened: print(opened.version())
"""
SPEAK = """
with plain:
    plain.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
    print(plain.recv(12).decode())
"""
HTTP = ("relay", {"http": 1})
NOTHING: tuple[str, dict[str, int]] = ("", {})


@pytest.fixture
def echoing() -> Iterator[int]:
    """Yield the port of an echo server."""
    with listening(echo) as port:
        yield port


@pytest.fixture
def evidence(make_cell: Callable[..., CellPlan], server: Server, echoing: int) -> Callable[..., dict[str, Any]]:
    """Return a function that runs a suite behind the relay; it returns each test's evidence with its outcome."""

    def run(source: str, *names: str, relay: str = "", **env: str) -> dict[str, Any]:
        endpoints = f"{server.url.removeprefix('http://')} 127.0.0.1:{echoing}"
        given = {"NIGHTPROOF_ENDPOINTS": endpoints, "NIGHTPROOF_RELAY": relay or endpoints}
        given |= {"NIGHTPROOF_CONTROL_URLS": "", "NIGHTPROOF_URL_ECHO": f"tcp://127.0.0.1:{echoing}"}
        plan = make_cell(LEAVING + source, *names, **(given | env))
        run_cell(plan, lambda _lines: None, GroupRegistry())
        lines = [json.loads(line) for line in (plan.cell_dir / "events.jsonl").read_text().splitlines()]
        bad = {one["nodeid"].rpartition("::")[2] for one in lines if one.get("outcome", "passed") != "passed"}
        found = {one["id"].rpartition("::")[2]: one for one in lines if one["$report_type"] == "TestEvidence"}
        return {name: line | {"passed": name not in bad} for name, line in found.items()}

    return run


def seen(found: dict[str, Any]) -> dict[str, tuple[str, dict[str, int]]]:
    """Return the proof of each test, and its answers by protocol."""
    return {name: (line["proof"], counts(line)) for name, line in found.items()}


def test_a_child_that_no_recorder_sees_is_counted_by_the_relay(
    evidence: Callable[..., dict[str, Any]], server: Server, echoing: int
) -> None:
    """A request through the proxy counts as `http`, each round on a TCP connection as `tcp`; both by endpoint."""
    source = """
    def test_http(): assert ask() == "200"
    def test_tcp(): assert say("one", "two") == "echo one\\necho two"
    def test_nothing(): assert True
    """
    found = evidence(source, "test_http", "test_tcp", "test_nothing")
    assert seen(found) == {"test_http": HTTP, "test_tcp": ("relay", {"tcp": 2}), "test_nothing": NOTHING}
    assert found["test_tcp"]["relayed"] == {f"127.0.0.1:{echoing}": 2}
    assert found["test_http"]["relayed"] == {server.url.removeprefix("http://"): 1}


def test_answers_count_for_the_phase_and_the_channel_that_asked(evidence: Callable[..., dict[str, Any]]) -> None:
    """An answer in a fixture proves as `fixture`; an answer to an observer or in a teardown proves nothing."""
    source = """
    @pytest.fixture
    def answer(): return ask()
    @pytest.fixture
    def late():
        yield
        ask()
    def test_fixture(answer): assert answer == "200"
    def test_observer():
        with channel("observer"): assert ask() == "200"
    def test_late(late): assert True
    def test_own(): assert ask() == "200"
    """
    found = evidence(source, "test_fixture", "test_observer", "test_late", "test_own")
    assert seen(found) == {
        "test_fixture": ("fixture", {}),
        "test_observer": NOTHING,
        "test_late": NOTHING,
        "test_own": HTTP,
    }


def test_an_answer_that_python_sees_too_counts_once(evidence: Callable[..., dict[str, Any]], server: Server) -> None:
    """An answer counts once: at the relay if the client uses the proxy, else at its socket."""
    source = """
    def test_proxied(): assert urllib.request.urlopen(URL).status == 200
    def test_python_child():
        code = f"import urllib.request; print(urllib.request.urlopen('{URL}').status)"
        assert subprocess.run([sys.executable, "-c", code], capture_output=True).stdout == b"200\\n"
    def test_straight():
        assert urllib.request.build_opener(urllib.request.ProxyHandler({})).open(URL).status == 200
    """
    names = ("test_proxied", "test_python_child", "test_straight")
    found = evidence(source, *names, NIGHTPROOF_CONTROL_URLS=f"shop={server.url}")
    assert seen(found) == {"test_proxied": HTTP, "test_python_child": HTTP, "test_straight": ("call", {"http": 1})}
    sums = {name: sum(line["exchanges"].values()) - line["unrecorded"] for name, line in found.items()}
    assert all(
        sums[name] <= line["server_exchanges"] <= sums[name] + line["unanswered"] for name, line in found.items()
    )


def test_what_is_not_declared_is_forwarded_and_not_counted(
    evidence: Callable[..., dict[str, Any]], server: Server
) -> None:
    """Undeclared hosts, endpoints the relay does not list, and the test's own servers are not counted."""
    source = """
    import http.server, threading
    def test_other(): assert ask(OTHER) == "200"
    def test_unlisted(): assert say("hi") == "echo hi"
    def test_own_server():
        address = os.environ["OWN"].split(":")
        handler = type("H", (http.server.BaseHTTPRequestHandler,), {"do_GET": lambda self: self.send_error(404)})
        with http.server.HTTPServer((address[0], int(address[1])), handler) as own:
            threading.Thread(target=own.handle_request).start()
            assert "404" in ask("http://" + os.environ["OWN"])
    def test_nobody(): assert "nightproof's relay cannot" in run(
        "import sys, urllib.request as u, urllib.error as e\\ntry: u.urlopen(sys.argv[1])\\n"
        "except e.HTTPError as error: print(error.code, error.read().decode())", "http://127.0.0.1:1")
    """
    with socket.create_server(("127.0.0.1", 0)) as free, listening(answer_http) as other:
        own = f"127.0.0.1:{free.getsockname()[1]}"
        free.close()
        found = evidence(
            source, "test_other", "test_unlisted", "test_own_server", "test_nobody",
            relay=f"{server.url.removeprefix('http://')} {own} 127.0.0.1:1", OWN=own, OTHER=f"http://127.0.0.1:{other}",
        )  # fmt: skip
    assert [name for name, line in found.items() if not line["passed"]] == []
    expected = dict.fromkeys(found, NOTHING) | {"test_unlisted": NOTHING}
    assert seen(found) == expected


def test_a_tunnel_of_tls_is_counted_and_never_opened(evidence: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    """A TLS tunnel keeps the server's certificate; a request in it counts, a handshake alone does not."""
    certificate = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    source = """
    PROXIES["CA_proxy"] = os.environ["CA"]
    def test_request(): assert run(os.environ["ASK"], OTHER) == "200"
    def test_handshake(): assert run(os.environ["SHAKE"], OTHER).startswith("TLS")
    """
    with listening(answer_http, context=context) as port:
        found = evidence(
            source, "test_request", "test_handshake",
            relay=f"localhost:{port}", OTHER=f"https://localhost:{port}", CA=str(certificate),
            ASK=ASK, SHAKE=CONNECT + SHAKE,
        )  # fmt: skip
    assert [line["passed"] for line in found.values()] == [True, True]
    assert seen(found) == {"test_request": ("relay", {"tcp": 1}), "test_handshake": NOTHING}


def test_a_proxy_of_the_environment_is_gone_through(evidence: Callable[..., dict[str, Any]]) -> None:
    """The relay uses the environment's proxy for URLs and tunnels, except for hosts in `no_proxy`."""
    source = """
    def test_whole(): assert ask(OTHER) == "200"
    def test_tunnel(): assert run(os.environ["TUNNEL"], OTHER) == "HTTP/1.1 200"
    def test_bypass(): assert ask(OTHER.replace("localhost", "127.0.0.1")) == "200"
    """
    used: list[bytes] = []

    def proxy(connection: socket.socket) -> None:
        used.append(connection.recv(9, socket.MSG_PEEK))
        forward(connection)

    with listening(answer_http) as port, listening(proxy) as above:
        env = {f"{name}_proxy": f"http://user:word@127.0.0.1:{above}" for name in ("http", "https")}
        found = evidence(
            source, "test_whole", "test_tunnel", "test_bypass",
            relay=f"localhost:{port}", OTHER=f"http://localhost:{port}", no_proxy="127.0.0.1",
            TUNNEL=CONNECT + SPEAK, **env,
        )  # fmt: skip
    assert [line["passed"] for line in found.values()] == [True, True, True]
    assert seen(found) == {"test_whole": HTTP, "test_tunnel": ("relay", {"tcp": 1}), "test_bypass": HTTP}
    assert sorted(used) == [b"CONNECT l", b"GET http:"]


def test_a_relay_that_dies_takes_its_exchanges_along_and_nothing_hangs(evidence: Callable[..., dict[str, Any]]) -> None:
    """After the relay dies, requests through it fail without hanging; direct requests are recorded as before."""
    source = """
    import pathlib, signal
    def children():
        tasks = pathlib.Path("/proc/self/task").iterdir()
        pids = [pid for task in tasks for pid in (task / "children").read_text().split()]
        return [int(pid) for pid in pids if b"evidence.relay" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()]
    def test_before():
        assert ask() == "200"
        for pid in children(): os.kill(pid, signal.SIGKILL)
    def test_through(): assert ask() == "200"
    def test_straight(): assert urllib.request.build_opener(urllib.request.ProxyHandler({})).open(URL).status == 200
    """
    started = time.monotonic()
    found = evidence(source, "test_before", "test_through", "test_straight")
    assert {name: line["passed"] for name, line in found.items()} == {
        "test_before": True, "test_through": False, "test_straight": True,
    }  # fmt: skip
    assert found["test_straight"]["proof"] == "call"
    assert time.monotonic() - started < 25


def is_closed(port: int) -> bool:
    """Return whether nobody listens on a port of loopback any more."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize(
    "end", ["pass", "os.kill(os.getpid(), 9)", "os._exit(3)", "threading.Thread(target=wait).start()"]
)
def test_no_relay_outlives_its_tests(evidence: Callable[..., dict[str, Any]], tmp_path: Path, end: str) -> None:
    """However their process ends, the relay's ports are closed soon after the cell is over."""
    source = f"""
    import threading, time
    def wait(): time.sleep(60)
    def test_it():
        open(os.environ["PORTS"], "w").write(os.environ["NIGHTPROOF_RELAY_PORTS"])
        assert ask() == "200"
        {end}
    """
    evidence(source, "test_it", PORTS=str(tmp_path / "ports"))
    ports = [int(port) for port in (tmp_path / "ports").read_text().split()]
    assert len(ports) == 2
    for port in ports:
        await_value(partial(is_closed, port), CLOSED_S)
