"""A word for what nothing here can see: programs in other languages, and libraries with a core of their own."""

from __future__ import annotations

from nightproof.evidence.state import RECORDING


def vouch(why: str) -> None:
    """Vouch that the running test asked the system under test where no socket of Python is used, and say why.

    The report shows the reason beside the test. It stands for the exchange only: assertions are counted as ever. Raise
    ValueError for an empty reason, and RuntimeError outside a test.
    """
    if not why.strip():
        raise ValueError("Vouching lacks its reason: say what asks the system, and why its socket is not seen.")
    if RECORDING.test is None:
        raise RuntimeError(
            f"Nothing runs that could be vouched for (`{why}`): call vouch() inside a test or a fixture."
        )
    RECORDING.test.vouched = why.strip()
