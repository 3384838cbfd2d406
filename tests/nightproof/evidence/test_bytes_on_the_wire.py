"""Clients send and receive the same bytes with and without the plugin, except for our header."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.nightproof.evidence.tape import Tape
from tests.nightproof.evidence.tape import taping
from tests.nightproof.evidence.test_plugin import run_pytest

SOURCE = Path(__file__).with_name("bytewise_requests.py")
OURS = re.compile(rb"X-Test-Id: [^\r]*\r\n")
REQUESTS = 17 * 8 + 4


@pytest.fixture(scope="module")
def tapes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tape, Tape]:
    """Run the same requests with the plugin and without it; return both recordings."""
    with taping() as with_us, taping() as without:
        for tape, args in ((with_us, []), (without, ["-p", "no:nightproof"])):
            folder = tmp_path_factory.mktemp("suite")
            shutil.copy(SOURCE, folder / "test_requests.py")
            (folder / "suite.toml").write_text('name = "shop"\n')
            (folder / "pytest.ini").write_text("[pytest]\n")
            done = run_pytest(folder, *args, TAPE=tape.address, TAPE_SEEN=str(folder / "seen.txt"))
            assert f"{REQUESTS} passed" in done.stdout, done.stdout
            tape.seen = (folder / "seen.txt").read_text()
        return with_us, without


def _without_ours(tape: Tape) -> list[bytes]:
    port = tape.address.partition(":")[2].encode()
    return [OURS.sub(b"", bytes(taken)).replace(port, b"<port>") for taken in tape.received]


def test_requests_are_the_same_to_the_byte(tapes: tuple[Tape, Tape]) -> None:
    """Headers, chunks, expectations and WebSocket frames leave exactly as the client wrote them."""
    with_us, without = map(_without_ours, tapes)
    assert len(without) >= REQUESTS
    assert with_us == without


def test_answers_reach_the_client_unchanged(tapes: tuple[Tape, Tape]) -> None:
    """The client gets the same status, headers and body as without the plugin."""
    with_us, without = tapes
    assert with_us.sent == without.sent
    assert with_us.seen == without.seen


def test_our_header_is_on_every_request_of_a_recorded_client(tapes: tuple[Tape, Tape]) -> None:
    """Every request except those over a bare socket has our header, and without the plugin none has."""
    with_us, without = tapes
    heads = [
        head for taken in with_us.received for head in re.findall(rb"[A-Z]+ /\S* HTTP/1\.1\r\n(?s:.*?)\r\n\r\n", taken)
    ]
    bare = [head for head in heads if not OURS.search(head)]
    assert len(bare) == 17
    assert not any(OURS.search(taken) for taken in without.received)
