"""Records refuse what the contract does not allow."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime

import pytest
from pydantic import ValidationError

from nightproof.records import Attempt
from nightproof.records import Exchanges
from nightproof.records import Rate
from nightproof.records import utc_text


def test_exchanges_add_up() -> None:
    """The total is over all five protocols."""
    assert Exchanges(s3=1, aws=2, http=3, graphql=4, ws=5).total == 15


@pytest.mark.parametrize("wrong", [{"n": -1, "of": 2}, {"n": 1}, {"n": 1, "of": 2, "percent": 50}])
def test_rate_refuses_negative_missing_and_extra(wrong: dict[str, int]) -> None:
    """A fraction has two counts and nothing else."""
    with pytest.raises(ValidationError):
        Rate(**wrong)


def test_attempt_refuses_a_time_without_zone() -> None:
    """Times are timezone-aware."""
    started = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
    with pytest.raises(ValidationError, match="timezone"):
        Attempt(1, "passed", started, 0.1, 1, Exchanges(), None)  # type: ignore[arg-type]


def test_utc_text_has_date_and_zone() -> None:
    """Users read times in UTC with date."""
    assert utc_text(datetime(2026, 11, 20, 2, 3, 4, tzinfo=UTC)) == "2026-11-20 02:03:04 UTC"
