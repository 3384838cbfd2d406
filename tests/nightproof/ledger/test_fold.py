"""The audit's numbers add up for every sequence of events."""

from __future__ import annotations

import tempfile
from collections import Counter
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from nightproof.ledger import CleanContext
from nightproof.ledger import Ledger
from nightproof.ledger import audit
from nightproof.ledger import read_entries
from nightproof.ledger.clean import ledger_paths

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

    from nightproof.records import LedgerAudit

RUN = "20261120T020000Z-k3f9qa"
START = datetime(2026, 11, 20, 2, tzinfo=UTC)
EVENTS = st.sampled_from(["intent", "confirmed", "deleted", "kept", "leaked", "absent"])
HAPPENED = st.lists(st.tuples(st.integers(0, 4), EVENTS, st.booleans(), st.integers(0, 2)), max_size=25)


@pytest.fixture(scope="module")
def gone() -> S3Client:
    """Return a client of a server that is not there."""
    return boto3.client(
        "s3", endpoint_url="http://127.0.0.1:9", region_name="us-east-1", aws_access_key_id="x",
        aws_secret_access_key="x", config=Config(retries={"total_max_attempts": 1}, connect_timeout=1),
    )  # fmt: skip


def audited(happened: list[tuple[int, str, bool, int]], context: CleanContext) -> tuple[LedgerAudit, Counter[str], int]:
    """Write what happened to a run's journals and audit it; give the audit, the folded states and the resources."""
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / RUN
        now = START
        for number, event, is_cell, seconds in happened:
            now += timedelta(seconds=seconds)
            path = run_dir / ("cells/one/ledger.jsonl" if is_cell else "ledger.jsonl")
            ledger = Ledger(path, RUN, repeat(now).__next__)
            made = ledger.intent("object", {"bucket": "b", "key": f"np-20k3f9qa/{number}"})
            if event != "intent":
                (entry,) = (one for one in read_entries([path]) if one.id == made)
                ledger.adopt(entry, event)  # type: ignore[arg-type]
        run_dir.mkdir(exist_ok=True)
        result = audit(run_dir, context)
        return result, Counter(one.state for one in read_entries(ledger_paths(run_dir))), len({n for n, *_ in happened})


@settings(max_examples=60, deadline=None)
@given(HAPPENED)
def test_the_numbers_of_an_audit_add_up(happened: list[tuple[int, str, bool, int]]) -> None:
    """Every resource has one state, and created = deleted + kept + leaked; absent ones are not created."""
    nothing_to_list = CleanContext(boto3.client("s3", region_name="us-east-1"), frozenset(), frozenset())
    result, states, resources = audited(happened, nothing_to_list)
    assert sum(states.values()) == resources
    assert result.created == result.deleted + result.kept + result.leaked
    assert result.created + states["absent"] == resources
    assert (result.deleted, result.kept) == (states["deleted"], states["kept"])
    assert len(result.entries_leaked) == result.leaked


@settings(max_examples=15, deadline=None)
@given(HAPPENED)
def test_without_a_listing_only_what_was_kept_on_request_is_not_leaked(
    gone: S3Client, happened: list[tuple[int, str, bool, int]]
) -> None:
    """Without a listing every resource counts as leaked with the reason, except those kept on request."""
    result, states, resources = audited(happened, CleanContext(gone, frozenset({"b"}), frozenset()))
    assert (result.deleted, result.kept) == (0, states["kept"])
    assert result.leaked == resources - states["kept"]
    assert result.created == resources
