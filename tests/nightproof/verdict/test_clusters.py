"""Clusters: parts that differ from night to night become placeholders, and similar failures one cause."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from nightproof.records import Outcome
from nightproof.records import TestVerdict
from nightproof.records import Tier
from nightproof.records import Verdict
from nightproof.verdict.clusters import FAILURES
from nightproof.verdict.clusters import clusters
from nightproof.verdict.clusters import failure_text
from nightproof.verdict.clusters import normalise
from tests.golden import samples


def failure(
    message: str, name: str = "test_b", verdict: Verdict = Verdict.FAILED, reason: str = "the reason"
) -> TestVerdict:
    """Return a test that failed twice, the second time with this message."""
    attempts = (
        samples.attempt(1, Outcome.FAILED, "AssertionError: first"),
        samples.attempt(2, Outcome.FAILED, message),
    )
    return TestVerdict(
        id=f"s/test_a::{name}", suite="s", backend="one", verdict=verdict, reason=reason, wire="subject",
        tier=Tier.NORMAL, category="c", type="e2e", journey=None, owner="", attempts=attempts,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("message", "normalised"),
    [
        ("Failed: Timeout (>60.0s) from pytest-timeout.", "Failed: Timeout (<duration>) from pytest-timeout."),
        ("took 12 ms, allowed <= 10ms", "took <duration>, allowed <duration>"),
        ("after 3 seconds or 1.5 minutes", "after <duration> or <duration>"),
        ("at 2026-11-20T02:00:01.123Z", "at <time>"),
        ("at 2026-11-20 02:00:01+00:00 it", "at <time> it"),
        ("run 20261120T020000Z-k3f9qa", "run <run>"),
        ("6fa459ea-ee8a-3ca4-894e-db77e160355e gone", "<uuid> gone"),
        ("<Session object at 0x7f01A0>", "<Session object at <address>>"),
        ("hash 9f86d081884c7d65 differs", "hash <hex> differs"),
        ("connect to 127.0.0.1:41231: refused", "connect to <host>: refused"),
        ("connect to localhost:41231: refused", "connect to <host>: refused"),
        ("no file /tmp/run-1/a.csv", "no file <path>"),
        ("no object s3://bucket/run/a.csv", "no object s3://bucket/run/a.csv"),
        ("GET https://catalog.example.org/a/b: 503", "GET https://catalog.example.org/a/b: <n>"),
        ("Request ID: ABC-77z/x refused", "Request ID: <id> refused"),
        ('"RequestId": "77z"', '"RequestId": "<id>'),
        ("sha256 of quilt3 on gw0: 12 items_3", "sha256 of quilt3 on gw0: <n> items_<n>"),
        ("5 of 7\n\n  rows", "<n> of <n> rows"),
        ("deadbeefs are words, facade too", "deadbeefs are words, facade too"),
    ],
)
def test_what_differs_from_night_to_night_is_replaced(message: str, normalised: str) -> None:
    """Times, ids, hosts, paths and numbers become placeholders; words, buckets and hosts by name stay."""
    assert normalise(message) == normalised


def test_normalising_twice_changes_nothing() -> None:
    """A normalised message is its own normal form, so that a cluster's id is stable."""
    for text in ("Failed: Timeout (>60.0s)", "at 2026-11-20T02:00:01Z from 10.0.0.1:80", "request id: 8", "/a/b/c 7"):
        assert normalise(normalise(text)) == normalise(text)


def test_same_cause_of_two_nights_has_one_id() -> None:
    """Messages that differ only in ids and times are one cluster with one id, over tests and nights."""
    tonight = clusters(
        [failure("HTTP 503 after 2.5 s from 10.0.0.1:8080"), failure("HTTP 503 after 3 s from 10.0.0.2:1")]
    )
    tomorrow = clusters([failure("HTTP 503 after 9.75 s from 10.1.1.1:99")])
    assert [len(found.tests) for found in tonight] == [2]
    assert tonight[0].id == tomorrow[0].id
    assert tonight[0].text == "HTTP <n> after <duration> from <host>"
    assert tonight[0].message == "HTTP 503 after 2.5 s from 10.0.0.1:8080"


def test_different_causes_stay_apart_and_the_largest_comes_first() -> None:
    """Messages that share few words are several clusters, ordered by how many tests they explain."""
    found = clusters(
        [
            failure("KeyError: 'bucket'"),
            failure("ConnectionError: refused by peer"),
            failure("ConnectionError: refused by peer"),
        ]
    )
    assert [(cluster.text, len(cluster.tests)) for cluster in found] == [
        ("ConnectionError: refused by peer", 2),
        ("KeyError: 'bucket'", 1),
    ]


@pytest.mark.parametrize(
    ("other", "number"),
    [
        ("role reader may not put objects here today again", 1),
        ("role writer may not put objects here tomorrow now", 2),
    ],
)
def test_messages_alike_in_seven_words_of_ten_are_one_cause(other: str, number: int) -> None:
    """Messages with a token similarity of at least 0.7 are one cause."""
    assert len(clusters([failure("role reader may not put objects here today"), failure(other)])) == number


@pytest.mark.parametrize("verdict", Verdict)
def test_only_failures_are_clustered(verdict: Verdict) -> None:
    """Only failed, error, timeout, hollow and not_run tests are clustered."""
    assert bool(clusters([failure("no", verdict=verdict)])) == (verdict in FAILURES)


def test_failure_text_is_the_first_line_of_the_last_failing_attempt() -> None:
    """The failure text is the first non-empty line of the last failing attempt."""
    assert failure_text(failure("\n  AssertionError: last  \n  details")) == "AssertionError: last"


def test_hollow_test_speaks_by_its_reason() -> None:
    """A hollow test's text is its reason, not an earlier attempt's message."""
    assert failure_text(failure("HTTP 503", verdict=Verdict.HOLLOW)) == "the reason"


def test_failure_without_a_message_speaks_by_reason_or_verdict() -> None:
    """A failure without a message has its reason as text, else its verdict."""
    assert failure_text(failure(" \n ")) == "the reason"
    assert failure_text(failure("", reason="")) == "failed"


@pytest.mark.parametrize(
    "message",
    [
        "assert 3 == 4",
        "AssertionError: assert 3 == 4",
        "assert False",
        "AssertionError: 500 != 200",
        "AssertionError: False is not true",
        "AssertionError: got 500",
        "AssertionError: 'open' != 'closed'",
        "IndexError: list index out of range",
        "TypeError: 'NoneType' object is not subscriptable",
        "AttributeError: 'NoneType' object has no attribute 'price'",
        "KeyError: 3",
    ],
)
def test_bare_comparisons_of_two_places_are_two_causes(message: str) -> None:
    """Bare comparisons and Python's own errors in different places are separate causes."""
    found = clusters([failure(message, "test_a"), failure(message, "test_b")])
    assert [len(cluster.tests) for cluster in found] == [1, 1]
    assert found[0].id != found[1].id


@pytest.mark.parametrize(
    "message",
    [
        "AssertionError: the price is wrong for 3",
        "KeyError: 'price'",
        "requests.exceptions.HTTPError: 503 Server Error",
        "RuntimeError: no shop",
        "ConnectionRefusedError",
    ],
)
def test_message_with_words_of_its_own_is_one_cause(message: str) -> None:
    """A message with words of its own is one cause, wherever it occurs."""
    assert [len(cluster.tests) for cluster in clusters([failure(message, "a"), failure(message, "b")])] == [2]


def test_bare_comparisons_at_one_place_are_one_cause() -> None:
    """Bare comparisons on one line, or in parameters of one test, are one cause whatever their values."""
    helper = [placed(failure(f"assert 200 == {code}", name), where="suite/helpers.py:7") for name, code in PLACES]
    assert [len(cluster.tests) for cluster in clusters(helper)] == [2]
    parameters = [failure(f"assert 200 == {code}", f"test_same[{name}]") for name, code in PLACES]
    assert [len(cluster.tests) for cluster in clusters(parameters)] == [2]


def test_bare_comparisons_after_one_failed_exchange_are_one_cause() -> None:
    """Bare comparisons after the same failed exchange are one cause, whatever their lines."""
    told = [
        placed(
            failure(f"assert {code} == 200", name),
            where=f"suite/test_{name}.py:1",
            exchange=f"GET /a/{code} answered 503",
        )
        for name, code in PLACES
    ]
    assert [len(cluster.tests) for cluster in clusters(told)] == [2]


def placed(test: TestVerdict, where: str, exchange: str = "") -> TestVerdict:
    """Return the failure with the place of its last attempt."""
    return replace(test, attempts=(test.attempts[0], replace(test.attempts[1], where=where, exchange=exchange)))


PLACES: Final = (("a", 500), ("b", 404))
