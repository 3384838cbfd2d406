"""The sender of an exchange, and the count of one more: in this process, or in a file for the parent."""

from __future__ import annotations

import json
import os
from typing import Final
from typing import NamedTuple

from nightproof.evidence.state import CHILD_CHANNEL
from nightproof.evidence.state import RECORDING
from nightproof.evidence.state import current_channel

CHILD_ID: Final = "NIGHTPROOF_TEST_ID"
CHILD_PHASE: Final = "NIGHTPROOF_TEST_PHASE"
CHILD_COUNTS: Final = "NIGHTPROOF_CHILD_COUNTS"


class Asker(NamedTuple):
    """The test that sends, its phase and its channel; an empty prefix means no test."""

    channel: str
    phase: str
    prefix: str


NOBODY: Final = Asker("subject", "", "")


def asker() -> Asker:
    """Return the sender at this moment: the running test, or the one that started this process."""
    test = RECORDING.test
    if test is not None:
        return Asker(current_channel(), test.phase, test.prefix)
    env = os.environ
    return Asker(env.get(CHILD_CHANNEL, "subject"), env.get(CHILD_PHASE, ""), env.get(CHILD_ID, ""))


def count(who: Asker, protocol: str, *, answered: bool, recorded: bool) -> None:
    """Count one exchange; an exchange of a test that has ended is dropped."""
    test, counts = RECORDING.test, os.environ.get(CHILD_COUNTS)
    if test is not None:
        if test.prefix == who.prefix:
            RECORDING.count(who.channel, who.phase, protocol, answered=answered, recorded=recorded)
    elif who.prefix and counts:
        _append(counts, {**who._asdict(), "protocol": protocol, "answered": answered, "recorded": recorded})


def _append(path: str, line: dict[str, object]) -> None:
    with open(path, "ab", buffering=0) as file:  # noqa: PTH123 - one unbuffered write, so lines never mix
        file.write(json.dumps(line).encode() + b"\n")
