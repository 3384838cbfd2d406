"""Alerts about commands that could not begin or end their night, for people who do not see the terminal."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING

from deployments.alerts import tell
from nightproof.config.loader import load
from nightproof.errors import Interrupted
from nightproof.errors import NightproofError
from nightproof.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def told(profile_given: str) -> Iterator[None]:
    """Send an alert for an error that stops the block, then raise it again.

    A UsageError is sent only if stderr is no terminal: a person at a terminal reads the sentence there.
    """
    try:
        yield
    except Interrupted:
        raise
    except UsageError as error:
        if not sys.stderr.isatty():
            _tell(profile_given, error)
        raise
    except NightproofError as error:
        _tell(profile_given, error)
        raise


def _tell(profile_given: str, error: NightproofError) -> None:
    try:
        found = load(profile_given, for_tests=False)
    except NightproofError:
        return  # an unreadable profile names no channel to alert
    if isinstance(error, UsageError) and not found.profile.state_dir.exists():
        return  # no night ran here yet: a mistyped command must not create a state directory
    sentence = f"No night of `{found.profile.name}` could begin or end as it should: {error}"
    delivery = tell(found.profile, found.secrets, f"unstarted-{datetime.now(UTC):%Y%m%dT%H%M%SZ}", sentence)
    if delivery.trouble:
        sys.stderr.write(f"The alert was not delivered: {delivery.trouble}.\n")
