"""Recorder of the sockets of the standard library, and of those with which gevent replaces them."""

from __future__ import annotations

from typing import Any

from nightproof.evidence.wire import hooks


def install(module: Any) -> None:
    """Wrap the socket class of a module and, if the module has one, the function that resolves names."""
    hooks.wrap_all(module.socket, hooks.PLAIN if module.__name__ == "socket" else hooks.GEVENT)
    hooks.wrap(module, "getaddrinfo", hooks.resolver)
