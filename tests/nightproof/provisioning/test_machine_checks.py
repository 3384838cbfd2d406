"""The checks of clock, versions and plain URLs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nightproof.profile import Check
from nightproof.provisioning import machine
from nightproof.provisioning import verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightproof.target import Target


def test_equal_clocks_hold(live: Callable[..., Target]) -> None:
    """A server on this machine passes the clock check."""
    result = verify(live(), Check(kind="clock-skew"))

    assert result.ok
    assert result.detail.endswith("s apart")


def test_a_clock_that_is_years_off_is_found(catalog: object, live: Callable[..., Target]) -> None:
    """A server whose clock is years off fails the check."""
    catalog.date = "Fri, 20 Nov 2020 02:00:00 GMT"  # type: ignore[attr-defined]

    assert "away from our clock" in verify(live(), Check(kind="clock-skew")).detail


def test_without_a_url_there_is_no_time_to_compare(live: Callable[..., Target]) -> None:
    """Without a URL the clock check fails and names the missing setting."""
    assert "no URL" in verify(live(url=""), Check(kind="clock-skew")).detail


def test_the_installed_versions_satisfy_the_project(live: Callable[..., Target]) -> None:
    """The installed packages satisfy the project's requirements."""
    assert verify(live(), Check(kind="versions")).ok


def test_a_version_outside_its_pin_is_named(live: Callable[..., Target], monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong version is named with package, installed and wanted version."""
    monkeypatch.setattr(machine, "_installed", lambda name: None if name == "boto3" else "0.0.1")

    result = verify(live(), Check(kind="versions", required=False))

    assert not result.ok
    assert not result.required
    assert "boto3 missing" in result.detail
    assert "prefect 0.0.1 (wanted ==3.8.8)" in result.detail


def test_a_url_that_answers_holds(catalog: object, live: Callable[..., Target]) -> None:
    """A URL that answers 200 passes the check."""
    assert verify(live(url=""), Check(kind="http", url=catalog.url)).ok  # type: ignore[attr-defined]


@pytest.mark.parametrize("status", [404, 500])
def test_a_url_with_another_status_does_not_hold(catalog: object, live: Callable[..., Target], status: int) -> None:
    """Any status but 200 fails the check."""
    catalog.status = status  # type: ignore[attr-defined]

    assert f"answers {status}" in verify(live(), Check(kind="http", url=catalog.url)).detail  # type: ignore[attr-defined]


def test_a_url_check_without_url_says_so(live: Callable[..., Target]) -> None:
    """A URL check without a URL fails, and the remedy names the key."""
    assert "`url`" in verify(live(), Check(kind="http")).remedy
