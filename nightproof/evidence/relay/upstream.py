"""The connection to an endpoint: direct, or through the proxy that the environment names."""

from __future__ import annotations

import asyncio
import base64
from typing import Final
from typing import NamedTuple
from urllib.parse import unquote
from urllib.parse import urlsplit
from urllib.request import getproxies_environment
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # the stubs lack it

HEAD_END: Final = b"\r\n\r\n"
CONNECT_S: Final = 30.0
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
VARIABLES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


class Proxy(NamedTuple):
    """A proxy that is reached over plain HTTP."""

    host: str
    port: int
    authorization: str  # a header line, or nothing

    @classmethod
    def of(cls, url: str) -> Proxy:
        """Return the proxy of a URL; raise ValueError for one that is not reached over plain HTTP."""
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"`{parts.scheme}://` is no proxy over plain HTTP")
        if not parts.username:
            return cls(parts.hostname, parts.port or 80, "")
        words = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        return cls(
            parts.hostname,
            parts.port or 80,
            f"Proxy-Authorization: Basic {base64.b64encode(words).decode()}\r\n",
        )


def proxy_for(scheme: str, host: str, port: int) -> Proxy | None:
    """Return the proxy of the environment for a target, or None."""
    proxies = getproxies_environment()
    url = proxies.get(scheme) or proxies.get("all")
    if not url or proxy_bypass_environment(f"{host}:{port}", proxies):
        return None
    return Proxy.of(url)


async def connect(host: str, port: int) -> Streams:
    """Connect; raise OSError if there is no connection within 30 s."""
    try:
        return await asyncio.wait_for(asyncio.open_connection(host, port), CONNECT_S)
    except asyncio.TimeoutError as error:
        raise OSError(f"no connection within {CONNECT_S:.0f} s") from error
    except UnicodeError as error:
        raise OSError("it is no host") from error


async def tunnel(proxy: Proxy, host: str, port: int) -> Streams:
    """Connect to a target through a proxy; raise OSError if the proxy refuses or does not answer."""
    reader, writer = await connect(proxy.host, proxy.port)
    name = f"[{host}]" if ":" in host else host
    writer.write(f"CONNECT {name}:{port} HTTP/1.1\r\nHost: {name}:{port}\r\n{proxy.authorization}\r\n".encode())
    try:
        head = await asyncio.wait_for(reader.readuntil(HEAD_END), CONNECT_S)
    except (asyncio.TimeoutError, EOFError, asyncio.LimitOverrunError) as error:
        writer.close()
        raise OSError("the proxy above does not answer") from error
    status = head.split(b"\r\n", 1)[0].decode("latin-1")
    if status.split(" ")[1:2] != ["200"]:
        writer.close()
        raise OSError(f"the proxy above says `{status}`")
    return reader, writer
