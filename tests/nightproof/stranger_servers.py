"""Servers of many protocols, run by an interpreter that has their libraries; the first line out holds their ports."""

from __future__ import annotations

import asyncio
import json
import struct
import sys
from typing import Any

import grpc  # type: ignore[import-untyped]  # as below
import socketio  # type: ignore[import-not-found]  # it is where this file runs
from aiohttp import WSMsgType
from aiohttp import web

LOOPBACK = "127.0.0.1"
ROW = struct.pack("!H4s", 1, b"one\0") + struct.pack("!IHIhih", 0, 0, 25, -1, -1, 0)


async def _get(_request: web.Request) -> web.Response:
    return web.json_response({"ok": True})


async def _redirect(_request: web.Request) -> web.Response:
    raise web.HTTPFound("/get")


async def _events(request: web.Request) -> web.StreamResponse:
    found = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await found.prepare(request)
    for number in range(3):
        await found.write(f"data: {number}\n\n".encode())
    return found


async def _socket(request: web.Request) -> web.WebSocketResponse:
    found = web.WebSocketResponse()
    await found.prepare(request)
    async for message in found:
        if message.type == WSMsgType.TEXT:
            await found.send_str(f"echo {message.data}")
    return found


async def _http() -> int:
    app = web.Application()
    app.add_routes([web.get("/get", _get), web.get("/redirect", _redirect), web.get("/events", _events)])
    app.add_routes([web.get("/ws", _socket)])
    # A client that polls leaves only when its last poll is answered, which is at the next ping.
    sio = socketio.AsyncServer(async_mode="aiohttp", ping_interval=1)
    sio.on("ask", lambda _sid, data: {"echo": data})
    sio.attach(app)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, 0).start()
    port: int = runner.addresses[0][1]
    return port


async def _grpc() -> tuple[Any, int]:
    async def say(request: bytes, _context: Any) -> bytes:
        return b"echo " + request

    server = grpc.aio.server()
    handlers = {"Say": grpc.unary_unary_rpc_method_handler(say)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Shop", handlers),))
    port = server.add_insecure_port(f"{LOOPBACK}:0")
    await server.start()
    return server, port


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(4096):
        writer.write(b"echo " + data)


async def _redis(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer GET with `1` and anything else with OK."""
    while head := await reader.readline():
        words = []
        for _ in range(int(head[1:])):
            size = int((await reader.readline())[1:])
            words.append((await reader.readexactly(size + 2))[:-2])
        writer.write(b"$1\r\n1\r\n" if words[0].upper() == b"GET" else b"+OK\r\n")


async def _postgres(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accept every login, and answer every query except transaction commands with one row."""

    def send(kind: bytes, body: bytes) -> None:
        writer.write(kind + struct.pack("!I", len(body) + 4) + body)

    await reader.readexactly(struct.unpack("!I", await reader.readexactly(4))[0] - 4)
    send(b"R", struct.pack("!I", 0))
    for name, value in (("server_version", "16.0"), ("client_encoding", "UTF8"), ("standard_conforming_strings", "on")):
        send(b"S", f"{name}\0{value}\0".encode())
    send(b"Z", b"I")
    while await reader.readexactly(1) == b"Q":
        query = await reader.readexactly(struct.unpack("!I", await reader.readexactly(4))[0] - 4)
        if query.upper().startswith(b"SELECT"):
            send(b"T", ROW)
            send(b"D", struct.pack("!HI", 1, 1) + b"1")
            send(b"C", b"SELECT 1\0")
        else:
            send(b"C", query.split()[0].rstrip(b"\0;") + b"\0")
        send(b"Z", b"I")
    writer.close()


async def main() -> None:
    """Serve until the process is ended."""
    ports = {"http": await _http()}
    server, ports["grpc"] = await _grpc()
    for name, serve in (("echo", _echo), ("redis", _redis), ("postgres", _postgres)):
        ports[name] = (await asyncio.start_server(serve, LOOPBACK, 0)).sockets[0].getsockname()[1]
    sys.stdout.write(json.dumps(ports) + "\n")
    sys.stdout.flush()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
