"""Recorder of TLS above the socket: its C code reads and writes the descriptor itself."""

from __future__ import annotations

from typing import Any

from nightproof.evidence.wire import hooks
from nightproof.evidence.wire import tls_hooks


def install(module: Any) -> None:
    """Wrap TLS sockets, in-memory TLS engines if the module has any, and the upgrade of a socket to TLS."""
    hooks.wrap_all(module.SSLSocket, tls_hooks.TLS)
    hooks.wrap(module.SSLContext, "wrap_socket", tls_hooks.tls_wrapper)
    if hasattr(module, "SSLObject"):
        hooks.wrap_all(module.SSLObject, tls_hooks.ENGINE)
