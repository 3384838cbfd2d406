"""Watch the sockets of the standard library, and those that gevent puts in their place."""

from __future__ import annotations

from typing import Any

from nightproof.evidence.wire import hooks


def install(module: Any) -> None:
    """Wrap the socket class of a module, and where it has one the function that looks up names."""
    hooks.wrap_all(module.socket, hooks.PLAIN if module.__name__ == "socket" else hooks.GEVENT)
    hooks.wrap(module, "getaddrinfo", hooks.resolver)
