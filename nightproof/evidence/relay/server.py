"""The relay's server: a proxy for HTTP and tunnels, and one port for each endpoint of another protocol."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING
from typing import Final

from nightproof.evidence.relay.tally import Meter
from nightproof.evidence.relay.upstream import HEAD_END
from nightproof.evidence.relay.upstream import connect
from nightproof.evidence.relay.upstream import proxy_for
from nightproof.evidence.relay.upstream import tunnel
from nightproof.evidence.wire.endpoints import Endpoints
from nightproof.evidence.wire.endpoints import parse_endpoint
from nightproof.evidence.wire.endpoints import plain_host
from nightproof.evidence.wire.owners import is_own

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightproof.evidence.relay.tally import Tally
    from nightproof.evidence.relay.upstream import Streams

LOOPBACK: Final = "127.0.0.1"
BLOCK_BYTES: Final = 65536
HEAD_BYTES: Final = 262_144
REQUEST: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) HTTP/1\.[01]\r\n")
WHOLE: Final = re.compile(r"http://([^/?#@]+@)?(?P<name>[^/?#]+)(?P<path>.*)", re.IGNORECASE)
# Headers for the proxy only. Each request has a connection of its own, so that none goes to another host.
OF_THE_WAY: Final = re.compile(rb"(?i)(proxy-connection|proxy-authorization|keep-alive|connection):")
UPGRADE: Final = re.compile(rb"(?i)\r\nupgrade:")
ESTABLISHED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Relay:
    """The forwarding of connections for one process of tests."""

    def __init__(self, endpoints: Endpoints, tally: Tally) -> None:
        self._endpoints = endpoints
        self._tally = tally

    async def listen(self, tcp: dict[str, tuple[str, int]]) -> tuple[int, dict[str, int]]:
        """Open all ports; return the port of the proxy, and the port of each TCP endpoint by its name."""
        proxy = await asyncio.start_server(self._be_proxy, LOOPBACK, 0, limit=HEAD_BYTES)
        ports = {}
        for name, address in tcp.items():
            server = await asyncio.start_server(partial(self._be_endpoint, address), LOOPBACK, 0)
            ports[name] = _port(server)
        return _port(proxy), ports

    async def _be_endpoint(
        self, address: tuple[str, int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            onward = await connect(*address)
        except OSError:
            writer.transport.abort()  # as the endpoint itself would
            return
        meter = await self._meter("tcp", address, onward)
        await _forward((reader, writer), onward, meter)

    async def _be_proxy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(HEAD_END)
        except (EOFError, OSError, asyncio.LimitOverrunError):
            writer.close()
            return
        try:
            await self._answer((reader, writer), head)
        except (ValueError, OSError) as error:
            await _refuse(writer, str(error))

    async def _answer(self, client: Streams, head: bytes) -> None:
        request = REQUEST.match(head)
        if request is None:
            raise ValueError("this is no request of HTTP/1.1")
        target = request[2].decode("latin-1")
        if request[1] == b"CONNECT":
            await self._open_tunnel(client, target)
            return
        whole = WHOLE.fullmatch(target)
        if whole is None:
            raise ValueError(f"`{target}` is no whole URL: this is a proxy")
        await self._pass_on(client, head, request, whole)

    async def _open_tunnel(self, client: Streams, target: str) -> None:
        host, port = _address(target, 443)
        proxy = proxy_for("https", host, port)
        onward = await (tunnel(proxy, host, port) if proxy else connect(host, port))
        meter = await self._meter("tcp", (host, port), onward)
        client[1].write(ESTABLISHED)
        await _forward(client, onward, meter)

    async def _pass_on(self, client: Streams, head: bytes, request: re.Match[bytes], whole: re.Match[str]) -> None:
        host, port = _address(whole["name"], 80)
        proxy = proxy_for("http", host, port)
        onward = await connect(*(proxy[:2] if proxy else (host, port)))
        meter = await self._meter("http", (host, port), onward)
        path = whole["path"] if whole["path"].startswith("/") else f"/{whole['path']}"
        place = request[2] if proxy else path.encode("latin-1")
        added = proxy.authorization.encode() if proxy else b""
        first = _rewritten(head, request[1] + b" " + place, added)
        meter.asks(first)
        onward[1].write(first)
        await _forward(client, onward, meter, partial(_ask_once, meter))

    async def _meter(self, protocol: str, address: tuple[str, int], onward: Streams) -> Meter:
        """Return the meter of a connection; it counts if the other end is declared and not a process of the test."""
        peer, local = (onward[1].get_extra_info(name)[:2] for name in ("peername", "sockname"))
        ends = {address, (plain_host(peer[0]), peer[1])}
        loop = asyncio.get_running_loop()
        is_declared = await loop.run_in_executor(None, lambda: any(self._endpoints.covers(end) for end in ends))
        own = partial(is_own, (plain_host(peer[0]), peer[1]), (plain_host(local[0]), local[1]))
        is_counted = is_declared and not await loop.run_in_executor(None, own)
        return Meter(self._tally if is_counted else None, protocol, f"{address[0]}:{address[1]}")


def _port(server: asyncio.AbstractServer) -> int:
    port: int = server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]  # as every server of asyncio has
    return port


def _address(text: str, port: int) -> tuple[str, int]:
    found = parse_endpoint(text.rpartition("@")[2])
    return found.host, found.port or port


def _rewritten(head: bytes, start: bytes, added: bytes) -> bytes:
    """Return a request as its server expects it: other target, no headers for this proxy, `Connection: close`."""
    first, *lines = head[: -len(HEAD_END)].split(b"\r\n")
    # An upgrade needs its Connection header; every other request ends its connection.
    keeps = UPGRADE.search(head) is not None
    kept = [line for line in lines if not OF_THE_WAY.match(line) or (keeps and line.lower().startswith(b"connection"))]
    end = b"" if keeps else b"Connection: close\r\n"
    version = first.rsplit(b" ", 1)[1]
    return b"\r\n".join([start + b" " + version, *kept, added + end + b"\r\n"])


def _ask_once(meter: Meter, data: bytes) -> None:
    """Note what a client sends; raise ConnectionAbortedError for a second request, whose host may be another.

    The client then sends it again on a new connection.
    """
    request = REQUEST.match(data) if meter.has_answered else None
    if request and b"://" in request[2]:
        raise ConnectionAbortedError("one request for each connection")
    meter.asks(data)


async def _refuse(writer: asyncio.StreamWriter, why: str) -> None:
    body = f"nightproof's relay cannot forward this: {why}.\n".encode()
    head = (
        f"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
    )
    with suppress(OSError):
        writer.write(head.encode() + b"\r\n" + body)
        await writer.drain()
    writer.close()


async def _forward(client: Streams, onward: Streams, meter: Meter, asks: Callable[[bytes], None] | None = None) -> None:
    """Forward bytes in both directions until both ends are closed, or one breaks."""
    ways = [_pump(client[0], onward[1], asks or meter.asks), _pump(onward[0], client[1], meter.answers)]
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _, writer in (client, onward):
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, notice: Callable[[bytes], None]) -> None:
    while data := await reader.read(BLOCK_BYTES):
        notice(data)
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
