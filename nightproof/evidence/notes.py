"""Findings and measurements of a test beside its verdict, carried to the report as properties of the test."""

from __future__ import annotations

from typing import Any
from typing import Final

from nightproof.evidence.state import RECORDING

CHECKED: Final = "checked"
FINDING: Final = "finding"
FINDINGS: Final = ("create-race", "pointer-collision", "lost-update")


def note(name: str, value: Any) -> None:
    """Note a figure of the running test, its unit in its name; the same as pytest's `record_property`.

    Raise RuntimeError outside a test.
    """
    if RECORDING.test is None:
        raise RuntimeError(f"Nothing runs that could note `{name}`: call note() inside a test.")
    RECORDING.test.properties.append((name, value))


def checked(what: str) -> None:
    """Count a check of the running test that nothing else sees; `what` states what held.

    For code like `if answer != expected: pytest.fail()`, which executes no assertion when all is well.
    """
    if not what.strip():
        raise ValueError("A check lacks its sentence: say what held, as in checked('the ledger balances').")
    note(CHECKED, what)
    RECORDING.count_assertion()


def finding(kind: str, detail: str) -> None:
    """Note something that a reader should know although it fails no test; `detail` is one sentence.

    Raise ValueError for a kind that is not in `FINDINGS` or an empty detail.
    """
    if kind not in FINDINGS:
        raise ValueError(f"There is no kind of finding `{kind}`: use {', '.join(FINDINGS)}.")
    if not detail:
        raise ValueError(f"The finding `{kind}` lacks its sentence: say what was found, with names and hashes.")
    note(FINDING, {"kind": kind, "detail": detail})
