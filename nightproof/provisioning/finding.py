"""The error of a failed check: what it found, and one sentence with the remedy."""

from __future__ import annotations

from nightproof.errors import NightproofError


class CheckFailed(NightproofError):  # noqa: N818 - a finding, not a fault of ours
    """A check failed; a `transient` finding is worth a retry."""

    def __init__(self, detail: str, remedy: str, *, transient: bool = False) -> None:
        super().__init__(detail)
        self.detail = detail
        self.remedy = remedy
        self.transient = transient
