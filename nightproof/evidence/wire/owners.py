"""Whether a server belongs to the test itself: to one of its threads, or to a process that it started."""

from __future__ import annotations

import os
import re
import socket
import weakref
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nightproof.evidence.wire.endpoints import Address

ROOT: Final = "NIGHTPROOF_TEST_ROOT"  # the process that runs the tests, told to those it starts
PROC: Final = Path("/proc")
TABLES: Final = ("tcp", "tcp6")
LISTENING: Final = "0A"
WILDCARDS: Final = {"0.0.0.0", "::"}  # noqa: S104 - what is compared, not bound
WORD_BYTES: Final = 4  # the kernel writes an address in words of the machine's order

_listeners: weakref.WeakSet[Any] = weakref.WeakSet()
_owned: dict[str, bool] = {}


def listens(sock: Any) -> None:
    """Record a listening socket of this process."""
    _listeners.add(sock)


def is_own(peer: Address, local: Address | None) -> bool:
    """Return whether the peer of a connection is the test's own process or a descendant of it."""
    if any(_is_at(sock, peer) for sock in list(_listeners)):
        return True
    if not _is_near(peer, local):
        return False
    return any(_is_owned(inode) for inode in _inodes(peer, local))


def _is_at(sock: Any, peer: Address) -> bool:
    try:
        name = sock.getsockname()
    except OSError:
        return False  # closed
    if not isinstance(name, tuple):
        return peer[0] == f"unix:{_text(name)}"
    return bool(name[1] == peer[1] and (name[0] in WILDCARDS or name[0] == peer[0]))


def _is_near(peer: Address, local: Address | None) -> bool:
    if peer[0].startswith("unix:"):
        return True
    return peer[0].startswith("127.") or peer[0] == "::1" or (local is not None and local[0] == peer[0])


def _text(name: str | bytes) -> str:
    return os.fsdecode(name).replace("\0", "@", 1)


def _inodes(peer: Address, local: Address | None) -> Iterator[str]:
    """Yield the inodes of sockets that may be the peer: listening there, or having accepted this connection."""
    if peer[0].startswith("unix:"):
        yield from _unix_inodes(peer[0][len("unix:") :])
        return
    ends = {_hex(peer)} | {_hex((wildcard, peer[1])) for wildcard in WILDCARDS}
    # A dual-stack server has the IPv4 end of a connection as a mapped address in tcp6.
    mapped = None if ":" in peer[0] else _hex((f"::ffff:{peer[0]}", peer[1]))
    ends |= {mapped} if mapped else set()
    line = re.compile(rf"^ *\d+: (\w+:{peer[1]:04X}) (\w+:\w+) (\w\w) \S+ \S+ \S+ +\d+ +\d+ (\d+)", re.MULTILINE)
    port = f":{local[1]:04X}" if local else ""
    for table in TABLES:
        for end, other, state, inode in line.findall(_read(PROC / "net" / table)):
            if end in ends and (state == LISTENING or (port and other.endswith(port))):
                yield inode


def _unix_inodes(path: str) -> Iterator[str]:
    for line in _read(PROC / "net" / "unix").splitlines()[1:]:
        fields = line.split(None, 7)
        if fields[-1] == path:
            yield fields[6]


def _hex(address: Address) -> str:
    host, port = address
    packed = socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    words = (packed[n : n + WORD_BYTES][::-1] for n in range(0, len(packed), WORD_BYTES))
    return f"{b''.join(words).hex().upper()}:{port:04X}"


def _is_owned(inode: str) -> bool:
    if inode == "0":
        return False
    if inode not in _owned:
        _owned[inode] = any(inode in _sockets(pid) for pid in _tree(int(os.environ.get(ROOT) or os.getpid())))
    return _owned[inode]


def _tree(pid: int) -> Iterator[int]:
    """Yield a process and all its descendants."""
    yield pid
    try:
        tasks = list((PROC / str(pid) / "task").iterdir())
    except OSError:
        return  # it is gone by now
    for task in tasks:
        for child in _read(task / "children").split():
            yield from _tree(int(child))


def _sockets(pid: int) -> set[str]:
    try:
        links = [str(entry.readlink()) for entry in (PROC / str(pid) / "fd").iterdir()]
    except OSError:
        return set()  # it is gone by now, or another user's
    return {link[len("socket:[") : -1] for link in links if link.startswith("socket:[")}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""  # no such table: another system, or a process that is gone
