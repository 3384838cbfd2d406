"""A declaration for exchanges that are not visible here: programs in other languages, libraries with their own core."""

from __future__ import annotations

from nightproof.evidence.state import RECORDING


def vouch(why: str) -> None:
    """Declare that the running test reached the system under test without a Python socket, and why.

    The report shows the reason beside the test. It replaces the exchange only: assertions are counted as always. Raise
    ValueError for an empty reason, and RuntimeError outside a test.
    """
    if not why.strip():
        raise ValueError("Vouching lacks its reason: say what asks the system, and why its socket is not seen.")
    if RECORDING.test is None:
        raise RuntimeError(
            f"Nothing runs that could be vouched for (`{why}`): call vouch() inside a test or a fixture."
        )
    RECORDING.test.vouched = why.strip()
