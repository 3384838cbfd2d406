"""The gate of each service: only loopback hosts, no other origin, whatever the path and method."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from testbed.gate import Gate
from testbed.gate import refusal

if TYPE_CHECKING:
    from starlette.requests import Request

    from nightproof.target import Target

OWN = ["127.0.0.1", "127.0.0.1:9000", "localhost:9000", "LOCALHOST", "[::1]:9000", "bucket.name.127.0.0.1:9000"]
OWN += ["bucket.localhost:9000"]
FOREIGN = ["", "evil.example", "127.0.0.1.evil.example", "evil.example:9000", "127.0.0.1@evil.example", "0.0.0.0:9000"]
FOREIGN += ["localhost.evil.example", "evil.example/127.0.0.1", "127.0.0.2", "notlocalhost", "127.0.0.1:9000:80"]


@pytest.mark.parametrize("host", OWN)
def test_loopback_passes_by_each_of_its_names(host: str) -> None:
    """Every loopback name passes, with and without a port, and with a bucket before it as S3 clients write it."""
    assert not refusal([(b"host", host.encode())])
    assert not refusal([(b"host", host.encode()), (b"origin", f"http://{host}".encode())])


@pytest.mark.parametrize("host", FOREIGN)
def test_another_host_is_refused_by_name(host: str) -> None:
    """Any other Host is refused, because its owner could let it resolve to loopback."""
    assert "127.0.0.1 or localhost" in refusal([(b"host", host.encode())])


@pytest.mark.parametrize(
    "origin", ["null", "http://evil.example", "https://127.0.0.1:9000", "http://127.0.0.1:9001", "http://localhost", ""]
)
def test_another_origin_is_refused_by_name(origin: str) -> None:
    """An Origin with another host, scheme or port is refused, and the message names it."""
    assert f"`{origin}`" in refusal([(b"host", b"127.0.0.1:9000"), (b"Origin", origin.encode())])


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"host", b"127.0.0.1"), (b"Host", b"evil.example")],
        [(b"host", b"127.0.0.1"), (b"origin", b"http://127.0.0.1"), (b"origin", b"http://evil.example")],
    ],
)
def test_a_second_header_hides_nothing(headers: list[tuple[bytes, bytes]]) -> None:
    """A request without a Host is refused, and of repeated Host or Origin headers each is checked."""
    assert refusal(headers)


def test_what_is_refused_reaches_nobody() -> None:
    """A refused request does not reach the app behind the gate."""
    seen: list[str] = []

    async def note(request: Request) -> PlainTextResponse:
        seen.append(request.url.path)
        return PlainTextResponse("done")

    gate = Gate(Starlette(routes=[Route("/act", note, methods=["POST"])]))

    async def ask(host: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(gate)) as client:
            return await client.post("http://127.0.0.1/act", headers={"Host": host})

    answer = asyncio.run(ask("evil.example"))
    assert (answer.status_code, seen) == (403, [])
    assert "`evil.example`" in answer.json()["message"]
    assert asyncio.run(ask("127.0.0.1")).text == "done"
    assert seen == ["/act"]


@pytest.mark.parametrize("foreign", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}])
@pytest.mark.parametrize(
    ("service", "method", "path"),
    [
        ("aws", "GET", "/"),
        ("aws", "PUT", "/quilt-mcp-test-work/key"),
        ("aws", "POST", "/"),
        ("aws", "OPTIONS", "/quilt-mcp-test-work/key"),
        ("aws", "PUT", "/_nightproof/faults/latency"),
        ("aws", "POST", "/_ministack/reset"),
        ("catalog", "GET", "/config.json"),
        ("catalog", "POST", "/registry/graphql"),
        ("catalog", "OPTIONS", "/registry/graphql"),
        ("catalog", "POST", "/registry/api/token"),
        ("catalog", "PUT", "/_nightproof/faults/latency"),
        ("catalog", "GET", "/nowhere"),
    ],
)
def test_every_door_of_both_services_is_shut(
    embedded: Target, service: str, method: str, path: str, foreign: dict[str, str]
) -> None:
    """Every route refuses a foreign Host or Origin, even with the control token.

    A page cannot have it, but a proxy might.
    """
    services: Any = embedded.facts["services"]
    headers = {"Authorization": f"Bearer {embedded.facts['control_token']}", "Content-Type": "text/plain"} | foreign
    answer = httpx.request(method, f"{services[service]['url']}{path}", headers=headers, content=b"{}", timeout=30)
    assert answer.status_code == 403
    assert next(iter(foreign.values())) in answer.json()["message"]
    assert "access-control-allow-origin" not in answer.headers
