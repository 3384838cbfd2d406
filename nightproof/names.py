"""The tag that every name of a run carries: short enough for a bucket key, and told apart from other runs'."""

from __future__ import annotations


def run_tag(run_id: str) -> str:
    """Give the 8 characters that every name of a run carries: the day and the random part of its id."""
    return (run_id[6:8] + run_id[-6:]).lower()
