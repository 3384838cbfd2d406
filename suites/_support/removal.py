"""Taking away what a test made: every step runs although others fail, and a refused one runs once more."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING
from typing import Final

from botocore.exceptions import BotoCoreError
from botocore.exceptions import ClientError

from nightproof.quilt import QuiltOpsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterable

REFUSALS: Final = (BotoCoreError, ClientError, QuiltOpsError)


def remove_all(steps: Iterable[Callable[[], None]]) -> None:
    """Take every step; what failed twice is raised when all were taken, the others as its context."""
    with contextlib.ExitStack() as stack:
        for step in steps:
            stack.callback(_once_more, step)


def _once_more(step: Callable[[], None]) -> None:
    try:
        step()
    except REFUSALS:
        step()
