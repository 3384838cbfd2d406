"""Each client library against a real server: one request is one exchange, with our header on the wire."""

from __future__ import annotations

import asyncio
import http.client
import threading
import urllib.request
from typing import TYPE_CHECKING
from typing import Any

import aiohttp
import boto3
import httpx
import pytest
import requests
import urllib3
import websockets
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from websockets.sync.client import connect
from websockets.sync.server import serve as serve_ws

from nightproof.evidence import channel

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    from nightproof.evidence.state import TestState
    from tests.nightproof.evidence.wire import Server

PREFIX = "run:1:0123456789abcdef"


def _httpx_async(url: str) -> None:
    async def ask() -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.get(url, timeout=0.5)

    asyncio.run(ask())


def _httpx_sync(url: str) -> None:
    with httpx.Client(trust_env=False) as client:
        client.get(url, timeout=0.5)


def _aiohttp(url: str) -> None:
    async def ask() -> None:
        limit = aiohttp.ClientTimeout(total=0.5)
        async with aiohttp.ClientSession(timeout=limit) as client, client.get(url) as answer:
            await answer.read()

    asyncio.run(ask())


def _requests(url: str) -> None:
    with requests.Session() as session:
        session.trust_env = False
        session.get(url, timeout=0.5)


def _urllib3(url: str) -> None:
    with urllib3.PoolManager(retries=urllib3.Retry(connect=0, read=0, redirect=1), timeout=0.5) as pool:
        pool.request("GET", url)


def _urllib_request(url: str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=0.5) as answer:
        answer.read()


def _s3(url: str, region: str = "us-east-1") -> Any:
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name=region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}, read_timeout=0.5, s3={"addressing_style": "path"}),
    )


def _botocore(url: str) -> None:
    address, _, path = url.removeprefix("http://").partition("/")
    client = _s3(f"http://{address}")
    try:
        client.head_bucket(Bucket=path or "shop")
    finally:
        client.close()


CLIENTS: list[tuple[Callable[[str], None], str]] = [
    (_requests, "http"),
    (_urllib3, "http"),
    (_urllib_request, "http"),
    (_httpx_sync, "http"),
    (_httpx_async, "http"),
    (_aiohttp, "http"),
    (_botocore, "s3"),
]


REFUSALS = (OSError, httpx.HTTPError, aiohttp.ClientError, urllib3.exceptions.HTTPError, BotoCoreError)


@pytest.mark.parametrize(("ask", "protocol"), CLIENTS)
def test_one_request_is_one_exchange(
    ask: Callable[[str], None], protocol: str, server: Server, state: TestState
) -> None:
    """An answered request counts once, under its protocol, with the complete header."""
    ask(server.url + "/shop")
    assert {name: n for name, n in state.exchanges.items() if n} == {protocol: 1}
    assert [seen["X-Test-Id"] for seen in server.headers_seen] == [f"{PREFIX}:subject:call"]
    assert state.unanswered == 0


@pytest.mark.parametrize(("ask", "_protocol"), CLIENTS)
def test_refused_connection_counts_as_nothing(ask: Callable[[str], None], _protocol: str, state: TestState) -> None:
    """A refused connection counts neither as an exchange nor as unanswered."""
    with pytest.raises(REFUSALS):
        ask("http://127.0.0.1:1/shop")
    assert sum(state.exchanges.values()) == 0
    assert state.unanswered == 0


@pytest.mark.parametrize("path", ["/reset", "/hang"])
@pytest.mark.parametrize(("ask", "_protocol"), CLIENTS)
def test_lost_answer_counts_as_unanswered(
    ask: Callable[[str], None], _protocol: str, path: str, server: Server, state: TestState
) -> None:
    """A sent request without an answer counts as unanswered and not as evidence."""
    with pytest.raises(REFUSALS):
        ask(server.url + path)
    assert sum(state.exchanges.values()) == 0
    assert state.unanswered == len(server.paths) > 0


@pytest.mark.parametrize("ask", [_requests, _urllib3, _urllib_request, _aiohttp])
def test_each_redirect_is_an_exchange(ask: Callable[[str], None], server: Server, state: TestState) -> None:
    """Client and server count the same number of exchanges if the library follows redirects."""
    ask(server.url + "/redirect")
    assert server.paths == ["/redirect", "/landed"]
    assert state.exchanges["http"] == len(server.paths)
    assert all(seen["X-Test-Id"].startswith(PREFIX) for seen in server.headers_seen)


def test_http_client_is_recorded_by_itself(server: Server, state: TestState) -> None:
    """A request by a plain HTTPConnection counts."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
    connection.request("GET", "/plain")
    assert connection.getresponse().status == 200
    connection.close()
    assert state.exchanges["http"] == 1


def test_presigned_url_stays_usable_and_counts_as_s3(server: Server, state: TestState) -> None:
    """Presigning adds no header; a request for that URL by another library counts as S3."""
    client = _s3(server.url)
    url = client.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})
    client.close()
    assert "x-test-id" not in url.lower()
    url_v4 = url if "X-Amz-Credential" in url else f"{url}&X-Amz-Credential=k/20261120/us-east-1/s3/aws4_request"
    _requests(url_v4)
    assert state.exchanges["s3"] == 1


def test_header_of_botocore_is_not_signed(server: Server, state: TestState) -> None:
    """The header is on the wire and not among the signed headers."""
    _botocore(server.url)
    (seen,) = server.headers_seen
    assert seen["X-Test-Id"]
    assert "x-test-id" not in seen["Authorization"]
    assert state.log[0].status == 200


def test_other_aws_services_count_as_aws(server: Server, state: TestState) -> None:
    """A request to STS counts as `aws` and not as `s3`."""
    client = boto3.client(
        "sts", endpoint_url=server.url, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    with pytest.raises(Exception, match="invalid XML"):
        client.get_caller_identity()
    client.close()
    assert state.exchanges["aws"] >= 1
    assert state.exchanges["s3"] == 0


def test_graphql_is_told_by_method_and_path(server: Server, state: TestState) -> None:
    """A POST to a path that ends in /graphql counts as GraphQL; a GET does not."""
    requests.post(server.url + "/registry/graphql", json={}, timeout=5)
    requests.get(server.url + "/registry/graphql", timeout=5)
    assert (state.exchanges["graphql"], state.exchanges["http"]) == (1, 1)


@pytest.mark.parametrize("phase", ["setup", "teardown"])
def test_other_phases_are_no_evidence(phase: Any, server: Server, state: TestState) -> None:
    """A request in a fixture carries its phase and is no exchange of the call."""
    state.phase = phase
    _requests(server.url)
    assert sum(state.exchanges.values()) == 0
    assert server.headers_seen[0]["X-Test-Id"] == f"{PREFIX}:subject:{phase}"


def test_observer_covers_threads_of_client_libraries(server: Server, state: TestState) -> None:
    """A thread started in an observer block sends as observer; after the block the channel is subject again."""
    with channel("observer"):
        thread = threading.Thread(target=_requests, args=(server.url,))
        thread.start()
        thread.join()
    _requests(server.url)
    assert [seen["X-Test-Id"].split(":")[3] for seen in server.headers_seen] == ["observer", "subject"]
    assert state.exchanges["http"] == 1


@pytest.fixture
def ws_url() -> Iterator[tuple[str, list[str]]]:
    """Serve WebSockets that refuse /no with 403; yield the URL and the headers of the handshakes."""
    seen: list[str] = []

    def check(connection: Any, request: Any) -> Any:
        seen.append(request.headers.get("X-Test-Id", ""))
        return connection.respond(403, "no") if request.path == "/no" else None

    with serve_ws(lambda _socket: None, "127.0.0.1", 0, process_request=check) as started:
        thread = threading.Thread(target=started.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{started.socket.getsockname()[1]}", seen
        started.shutdown()
        thread.join()


def _ws_sync(url: str) -> None:
    with connect(url, additional_headers={"A": "b"}, proxy=None):
        pass


def _ws_asyncio(url: str) -> None:
    async def ask() -> None:
        async with websockets.connect(url, proxy=None):
            pass

    asyncio.run(ask())


def _ws_aiohttp(url: str) -> None:
    async def ask() -> None:
        async with aiohttp.ClientSession() as session, session.ws_connect(url):
            pass

    asyncio.run(ask())


@pytest.mark.parametrize("ask", [_ws_sync, _ws_asyncio, _ws_aiohttp])
@pytest.mark.parametrize("path", ["/", "/no"])
def test_handshake_is_an_exchange_even_when_refused(
    ask: Callable[[str], None], path: str, ws_url: tuple[str, list[str]], state: TestState
) -> None:
    """An accepted handshake and a refused one both count, because both got an answer."""
    url, seen = ws_url
    try:
        ask(url + path)
    except (websockets.InvalidStatus, aiohttp.WSServerHandshakeError):
        assert path == "/no"
    assert {name: n for name, n in state.exchanges.items() if n} == {"ws": 1}
    assert seen == [f"{PREFIX}:subject:call"]


@pytest.mark.parametrize("ask", [_ws_sync, _ws_asyncio, _ws_aiohttp])
def test_a_handshake_without_an_answer_counts_as_unanswered(
    ask: Callable[[str], None], server: Server, state: TestState
) -> None:
    """A handshake without an answer counts as unanswered, as often as the library sends it."""
    with pytest.raises((websockets.WebSocketException, aiohttp.ClientError, OSError, EOFError)):
        ask(server.url.replace("http://", "ws://") + "/reset")
    assert sum(state.exchanges.values()) == 0
    assert state.unanswered == len(server.paths) > 0
