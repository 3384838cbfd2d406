"""Only systems under test are evidence: answers of a server that the test itself runs prove nothing."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING

import pytest

from nightproof.evidence import recorders
from nightproof.evidence.state import RECORDING
from nightproof.evidence.state import TestState
from nightproof.evidence.vouching import vouch
from nightproof.evidence.wire import links
from tests.nightproof.evidence.nearby import evidence_of_each
from tests.nightproof.evidence.wire import serve

if TYPE_CHECKING:
    from pathlib import Path

    from tests.nightproof.evidence.wire import Server


@pytest.mark.parametrize(("known", "counted"), [("", 2), ("shop={url}", 1)])
def test_own_server_of_a_test_is_no_evidence(
    server: Server, monkeypatch: pytest.MonkeyPatch, known: str, counted: int
) -> None:
    """If systems keep call logs, requests to other servers are control traffic; otherwise all count."""
    monkeypatch.setenv("NIGHTPROOF_CONTROL_URLS", known.format(url=server.url))
    recorders.install()
    monkeypatch.setattr(links, "is_own", lambda _peer, _local: False)
    before, RECORDING.test = RECORDING.test, TestState("id", "prefix", phase="call")
    with serve() as own:
        for url in (server.url, own.url):
            urllib.request.urlopen(url).close()  # noqa: S310 - our own servers
        state, RECORDING.test = RECORDING.test, before
        assert state is not None
        assert state.exchanges["http"] == counted
        assert server.headers_seen[0]["X-Test-Id"] == "prefix:subject:call"
        assert own.headers_seen[0]["X-Test-Id"] == f"prefix:{'subject' if counted == 2 else 'control'}:call"


def test_a_test_may_vouch_for_what_no_socket_of_python_shows(tmp_path: Path, server: Server) -> None:
    """A test may vouch, with its reason recorded; an observed answer is the stronger proof."""
    source = """
        import os, requests
        from nightproof.evidence import vouch
        def test_unseen():
            vouch("  curl asks, and prints the status ")
            assert True
        def test_seen():
            vouch("twice is safe")
            assert requests.get(os.environ["SHOP"]).ok
    """
    found = evidence_of_each(tmp_path, source, SHOP=server.url)
    unseen, seen = found["test_unseen"], found["test_seen"]
    assert (unseen["proof"], unseen["vouched"]) == ("vouched", "curl asks, and prints the status")
    assert (seen["proof"], seen["vouched"]) == ("call", "twice is safe")


def test_vouching_needs_a_reason_and_a_test(state: TestState) -> None:
    """Vouching without a reason, or outside a test, is refused."""
    with pytest.raises(ValueError, match="Vouching lacks its reason"):
        vouch(" ")
    assert state.vouched == ""
    RECORDING.test = None
    with pytest.raises(RuntimeError, match="inside a test"):
        vouch("curl asks")
