"""Deletion of what a test created: every step runs even if others fail, and a refused step runs once more."""

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
    """Run every step, the last first; raise the error of a step that failed twice after all have run.

    Other errors are its context. Only errors in `REFUSALS` are retried.
    """
    with contextlib.ExitStack() as stack:
        for step in steps:
            stack.callback(_once_more, step)


def _once_more(step: Callable[[], None]) -> None:
    try:
        step()
    except REFUSALS:
        step()
