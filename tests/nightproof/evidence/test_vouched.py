"""Only systems under test are evidence: what a server answers that the test itself runs proves nothing."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING

import pytest

from nightproof.evidence import recorders
from nightproof.evidence.state import RECORDING
from nightproof.evidence.state import TestState
from tests.nightproof.evidence.wire import serve

if TYPE_CHECKING:
    from tests.nightproof.evidence.wire import Server


@pytest.mark.parametrize(("known", "counted"), [("", 2), ("shop={url}", 1)])
def test_own_server_of_a_test_is_no_evidence(
    server: Server, monkeypatch: pytest.MonkeyPatch, known: str, counted: int
) -> None:
    """Where the systems keep call logs, a request elsewhere goes on the control channel; else everything counts."""
    monkeypatch.setenv("NIGHTPROOF_CONTROL_URLS", known.format(url=server.url))
    recorders.install()
    before, RECORDING.test = RECORDING.test, TestState("id", "prefix", phase="call")
    with serve() as own:
        for url in (server.url, own.url):
            urllib.request.urlopen(url).close()  # noqa: S310 - our own servers
        state, RECORDING.test = RECORDING.test, before
        assert state is not None
        assert state.exchanges["http"] == counted
        assert server.headers_seen[0]["X-Test-Id"] == "prefix:subject:call"
        assert own.headers_seen[0]["X-Test-Id"] == f"prefix:{'subject' if counted == 2 else 'control'}:call"
