"""The relay counts requests and answers, in plain text and in TLS, however the bytes are cut."""

from __future__ import annotations

import ssl
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from nightproof.evidence.counting import Asker
from nightproof.evidence.relay.tally import Meter
from nightproof.evidence.relay.tally import Tally
from tests.nightproof.evidence.nearby import make_certificate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Side = tuple[ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO]
FIRST, SECOND = Asker("subject", "call", "first"), Asker("subject", "call", "second")


def answers(tally: Tally) -> list[tuple[str, int]]:
    """Return the prefix of each test that got answers, with their number."""
    return [(line["prefix"], line["number"]) for line in tally.take()]


@pytest.fixture
def tally() -> Tally:
    """Return a tally with the first test as its asker."""
    found = Tally()
    found.asker = FIRST
    return found


class Tunnel:
    """A TLS client and a TLS server whose bytes pass a meter in pieces of `size` bytes."""

    def __init__(self, tally: Tally, certificate: Path, version: ssl.TLSVersion, size: int) -> None:
        self.meter = Meter(tally, "tcp", "shop:443")
        self._size = size
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(certificate)
        client = ssl.create_default_context(cafile=str(certificate))
        client.maximum_version = client.minimum_version = version
        self.client = self._side(client, server_hostname="localhost")
        self.server = self._side(server, server_side=True)

    def _side(self, context: ssl.SSLContext, **given: object) -> Side:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        return context.wrap_bio(incoming, outgoing, **given), incoming, outgoing  # type: ignore[arg-type]  # as given

    def pass_on(self) -> None:
        """Carry the pending bytes of both sides past the meter to the other side."""
        for source, target, notice in (
            (self.client, self.server, self.meter.asks),
            (self.server, self.client, self.meter.answers),
        ):
            data = source[2].read()
            for start in range(0, len(data), self._size):
                notice(data[start : start + self._size])
            target[1].write(data)

    def shake_hands(self) -> None:
        """Complete the handshake, session tickets included."""
        for _ in range(4):
            for side, _, _ in (self.client, self.server):
                with suppress(ssl.SSLWantReadError):
                    side.do_handshake()
                self.pass_on()

    def say(self, side: Side, data: bytes) -> None:
        """Write data on one side and carry it to the other."""
        side[0].write(data)
        self.pass_on()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a new certificate."""
    return make_certificate(tmp_path_factory.mktemp("authority"))


@pytest.fixture(params=[(version, size) for version in ("TLSv1_2", "TLSv1_3") for size in (7, 65536)], ids=str)
def tunnel(request: pytest.FixtureRequest, tally: Tally, certificate: Path) -> Tunnel:
    """Return a tunnel after its handshake."""
    version, size = request.param
    opened = Tunnel(tally, certificate, ssl.TLSVersion[version], size)
    opened.shake_hands()
    assert opened.client[0].version() == version.replace("_", ".")
    return opened


def test_a_handshake_and_a_farewell_are_no_exchange(tunnel: Tunnel, tally: Tally) -> None:
    """A TLS handshake and its close are not counted."""
    with pytest.raises(ssl.SSLWantReadError):
        tunnel.client[0].unwrap()
    tunnel.pass_on()
    tunnel.server[0].unwrap()
    tunnel.pass_on()
    tunnel.client[0].unwrap()
    assert answers(tally) == []


def test_within_tls_each_answer_counts_once_for_its_asker(tunnel: Tunnel, tally: Tally) -> None:
    """An answer in several pieces counts once, for the test that sent the request."""
    tunnel.say(tunnel.client, b"GET / HTTP/1.1\r\n\r\n")
    tunnel.say(tunnel.server, b"HTTP/1.1 200 OK\r\n")
    tunnel.say(tunnel.server, b"\r\n")
    assert answers(tally) == [("first", 1)]
    tunnel.say(tunnel.client, b"GET /again HTTP/1.1\r\n\r\n")
    tally.asker = SECOND
    tunnel.say(tunnel.server, b"HTTP/1.1 200 OK\r\n\r\n")
    assert answers(tally) == [("first", 1)]


@pytest.mark.parametrize(
    ("turns", "number"),
    [
        ("a", 0),  # the server speaks first
        ("q", 0),
        ("aq", 0),
        ("qa", 1),
        ("qqaa", 1),
        ("qaqaqa", 3),
    ],
)
def test_in_the_open_an_answer_follows_a_question(tally: Tally, turns: str, number: int) -> None:
    """An answer counts only after a request, and several pieces from one side are one turn."""
    meter = Meter(tally, "tcp", "shop:80")
    notice: dict[str, Callable[[bytes], None]] = {"q": meter.asks, "a": meter.answers}
    for turn in turns:
        notice[turn](b"\x16 any bytes")
    assert sum(count for _, count in answers(tally)) == number


def test_tls_after_words_in_the_open_is_told_apart(tally: Tally, certificate: Path) -> None:
    """After STARTTLS the handshake is not counted; the next answer counts after a request within TLS."""
    opened = Tunnel(tally, certificate, ssl.TLSVersion.TLSv1_3, 65536)
    meter = opened.meter
    meter.asks(b"STARTTLS")
    meter.answers(b"S")
    opened.shake_hands()
    assert answers(tally) == [("first", 1)]
    opened.say(opened.client, b"select 1")
    opened.say(opened.server, b"1")
    assert answers(tally) == [("first", 1)]
