"""Evidence over TLS, through proxies and over IPv6; from blocking clients, asyncio, threads and processes."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

import pytest

from tests.nightproof.evidence.nearby import answer_http
from tests.nightproof.evidence.nearby import counts
from tests.nightproof.evidence.nearby import evidence_of_each
from tests.nightproof.evidence.nearby import forward
from tests.nightproof.evidence.nearby import listening
from tests.nightproof.evidence.nearby import make_certificate

if TYPE_CHECKING:
    from pathlib import Path

SUITE = """
    import asyncio, os, socket, ssl, subprocess, sys, threading, urllib.request
    import aiohttp, httpx, requests
    URL = os.environ["SHOP"]
    CONTEXT = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE"))
    CODE = "import os, requests; assert requests.get(os.environ['SHOP']).ok"

    def ask(): return urllib.request.urlopen(URL).status
    def test_urllib(): assert ask() == 200
    def test_requests(): assert requests.get(URL).ok
    def test_httpx(): assert httpx.get(URL).status_code == 200
    def test_httpx_async():
        async def one():
            async with httpx.AsyncClient() as client:
                found = await asyncio.gather(client.get(URL), client.get(URL))
                return [answer.status_code for answer in found]
        assert asyncio.run(one()) == [200, 200]
    def test_aiohttp():
        async def one():
            connector = aiohttp.TCPConnector(ssl=CONTEXT)
            async with aiohttp.ClientSession(connector=connector, trust_env=True) as client, client.get(URL) as answer:
                return answer.status
        assert asyncio.run(one()) == 200
    def test_thread():
        found = []
        thread = threading.Thread(target=lambda: found.append(ask()))
        thread.start()
        thread.join()
        assert found == [200]
    def test_child(): assert subprocess.run([sys.executable, "-c", CODE]).returncode == 0
"""
STREAMS = """
    def test_streams():
        host, _, port = URL.partition("//")[2].rpartition(":")
        async def one():
            reader, writer = await asyncio.open_connection(host.strip("[]"), int(port), ssl=CONTEXT)
            writer.write(b"GET / HTTP/1.0\\r\\n\\r\\n")
            return await reader.readline()
        assert b"200" in asyncio.run(one())
    def test_handshake_only():
        host, _, port = URL.partition("//")[2].rpartition(":")
        async def one():
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port), ssl=CONTEXT)
            await asyncio.sleep(0)
            writer.close()
        asyncio.run(one())
        with socket.create_connection((host.strip("[]"), int(port))) as plain:
            with CONTEXT.wrap_socket(plain, server_hostname=host.strip("[]")) as opened:
                assert opened.version()
"""
ASKED = {
    "test_urllib": 1,
    "test_requests": 1,
    "test_httpx": 1,
    "test_httpx_async": 2,
    "test_aiohttp": 1,
    "test_thread": 1,
    "test_child": 1,
}
HTTP = {name: {"http": number} for name, number in ASKED.items()}
NOTHING: dict[str, dict[str, int]] = {name: {} for name in ASKED}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a self-signed certificate for this machine, with its key."""
    return make_certificate(tmp_path_factory.mktemp("authority"))


def _trust(path: Path) -> dict[str, str]:
    return {"SSL_CERT_FILE": str(path), "REQUESTS_CA_BUNDLE": str(path)}


def _context(path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_an_answer_over_tls_counts_and_a_handshake_does_not(tmp_path: Path, authority: Path, host: str) -> None:
    """An answer that the application read over TLS counts, by blocking socket or in memory; a handshake does not."""
    with listening(answer_http, context=_context(authority)) as port:
        url, hosts = f"https://{host}:{port}", (f"127.0.0.1:{port}",)
        found = evidence_of_each(tmp_path, SUITE + STREAMS, hosts=hosts, SHOP=url, **_trust(authority))
    expected = HTTP | {"test_streams": {"tcp": 1}, "test_handshake_only": {}}
    assert {name: counts(line) for name, line in found.items()} == expected


def test_an_answer_over_tls_of_an_undeclared_host_does_not_count(tmp_path: Path, authority: Path) -> None:
    """An answer over TLS from an undeclared endpoint does not count."""
    with listening(answer_http, context=_context(authority)) as port:
        url = f"https://localhost:{port}"
        found = evidence_of_each(tmp_path, SUITE, hosts=(f"127.0.0.1:{port + 1}",), SHOP=url, **_trust(authority))
    assert {name: counts(line) for name, line in found.items()} == NOTHING


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("is_declared", [True, False])
def test_behind_a_proxy_its_target_counts(tmp_path: Path, authority: Path, scheme: str, *, is_declared: bool) -> None:
    """Through a proxy, the target of the URL or tunnel decides what counts, not the proxy's address."""
    context = _context(authority) if scheme == "https" else None
    with listening(answer_http, context=context) as port, listening(forward) as proxy:
        hosts = (f"localhost:{port if is_declared else port + 1}",)
        env = {f"{name}_proxy": f"http://127.0.0.1:{proxy}" for name in ("http", "https")} | {"no_proxy": ""}
        url = f"{scheme}://localhost:{port}"
        found = evidence_of_each(tmp_path, SUITE, hosts=hosts, SHOP=url, **_trust(authority), **env)
    assert {name: counts(line) for name, line in found.items()} == (HTTP if is_declared else NOTHING)


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6 loopback")
@pytest.mark.parametrize("declared", ["[::1]", "localhost"])
def test_an_address_of_ipv6_counts(tmp_path: Path, declared: str) -> None:
    """An IPv6 endpoint counts if it is declared by address or by name."""
    with listening(answer_http, "::1") as port:
        hosts = (f"{declared}:{port}",)
        found = evidence_of_each(tmp_path, SUITE, hosts=hosts, SHOP=f"http://[::1]:{port}")
    assert {name: counts(line) for name, line in found.items()} == HTTP
