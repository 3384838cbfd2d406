"""The run's tag in every name that a run creates: short enough for a bucket key, and different for each run."""

from __future__ import annotations


def run_tag(run_id: str) -> str:
    """Return a run's 8-character tag: the day of month and the random part of its id."""
    return (run_id[6:8] + run_id[-6:]).lower()
