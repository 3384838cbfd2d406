"""How a check says that it does not hold: what it found, and one sentence that mends it."""

from __future__ import annotations

from nightproof.errors import NightproofError


class CheckFailed(NightproofError):  # noqa: N818 - a finding, not a fault of ours
    """A check does not hold; `transient` findings are worth asking again."""

    def __init__(self, detail: str, remedy: str, *, transient: bool = False) -> None:
        super().__init__(detail)
        self.detail = detail
        self.remedy = remedy
        self.transient = transient
