"""Every failure of a check is one sentence with the finding and one with the remedy."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from typing import Any

import pytest
from botocore.config import Config

from nightproof.profile import Check
from nightproof.provisioning import machine
from nightproof.provisioning import verify
from nightproof.provisioning.checks import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightproof.target import Target
    from tests.nightproof.provisioning.conftest import TinyCatalog

WRONG_SECRET = "another-secret-that-nobody-knows-0123456789"


def broken_catalog(**changes: Any) -> Callable[..., Target]:
    """Return a maker of targets whose catalog answers something else."""

    def make(catalog: TinyCatalog, live: Callable[..., Target]) -> Target:
        for name, value in changes.items():
            setattr(catalog, name, value)
        return live()

    return make


def given(**changes: Any) -> Callable[..., Target]:
    """Return a maker of targets that are configured otherwise."""
    return lambda _catalog, live: live(**changes)


def aws_at(answering: Callable[[TinyCatalog], str]) -> Callable[..., Target]:
    """Return a maker of targets whose AWS is somewhere else."""

    def make(catalog: TinyCatalog, live: Callable[..., Target]) -> Target:
        target = live()
        endpoints = target.profile.endpoints.model_copy(update={"aws": answering(catalog)})
        target.profile = target.profile.model_copy(update={"endpoints": endpoints})
        return target

    return make


VERBS = re.findall(r"\w+", "Check Correct Create Drop Get Give Point Restart Run Set Start Synchronise Take Turn Use")
NOWHERE = aws_at(lambda _catalog: "http://127.0.0.1:9")
HTTP_GONE = Check(kind="http", url="http://127.0.0.1:9/x")
CASES: dict[str, tuple[Check, Callable[..., Target], str]] = {
    "endpoint-gone": (Check(kind="aws-endpoint"), NOWHERE, "no answer"),
    "identity-gone": (Check(kind="aws-identity"), NOWHERE, "no answer"),
    "buckets-gone": (Check(kind="buckets"), NOWHERE, "no answer"),
    "role-gone": (Check(kind="role-limits"), NOWHERE, "no answer"),
    "catalog-gone": (
        Check(kind="catalog"),
        given(url="http://127.0.0.1:9"),
        "no answer from http://127.0.0.1:9/config.json: ",
    ),
    "catalog-unset": (Check(kind="catalog"), given(url=""), "names no catalog"),
    "catalog-list": (Check(kind="catalog"), broken_catalog(config=[1]), "is not JSON with keys"),
    "catalog-html": (Check(kind="catalog"), broken_catalog(config=b"<html>"), "is not JSON with keys"),
    "catalog-poor": (Check(kind="catalog"), broken_catalog(config={"region": "x"}), "lacks registryUrl, mode"),
    "catalog-busy": (Check(kind="catalog"), broken_catalog(status=503), "answers 503"),
    "jwt-no-registry": (Check(kind="jwt-preflight"), broken_catalog(config={"region": "x"}), "names no registry"),
    "jwt-wrong": (Check(kind="jwt-preflight"), given(jwt_secret=WRONG_SECRET), "NIGHTPROOF_JWT_SECRET (SHA-256 "),
    "jwt-unset": (Check(kind="jwt-preflight"), given(jwt_secret=""), "NIGHTPROOF_JWT_SECRET is not set"),
    "jwt-refused": (Check(kind="jwt-preflight"), given(refresh_token="expired"), "refuses the refresh token"),
    "jwt-no-token": (Check(kind="jwt-preflight"), given(refresh_token=""), "no refresh token of `test-user`"),
    "jwt-other": (Check(kind="jwt-preflight"), broken_catalog(user="joe"), "signs in as `joe`"),
    "jwt-rotated": (Check(kind="jwt-preflight"), broken_catalog(verifies_with="x" * 40), "does not accept the token"),
    "clock-off": (Check(kind="clock-skew"), broken_catalog(date="Fri, 20 Nov 2020 02:00:00 GMT"), "from our clock"),
    "clock-mute": (Check(kind="clock-skew"), broken_catalog(date="yesterday"), "states no time"),
    "clock-unset": (Check(kind="clock-skew"), given(url=""), "no URL to ask"),
    "http-gone": (HTTP_GONE, given(), "no answer"),
    "http-unset": (Check(kind="http"), given(), "the check has no `url`"),
}


@pytest.fixture(autouse=True)
def _own_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set AWS keys that no server knows."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nobody-knows-this-one")
    monkeypatch.setattr("nightproof.target.S3_CONFIG", Config(retries={"total_max_attempts": 1}))


def require_sentences(detail: str, remedy: str) -> None:
    """Hold both against the rules of user text."""
    assert re.fullmatch(r"[^\n]+[^\n. ]", detail), detail
    assert re.fullmatch(r"[A-Z][^\n]+\.", remedy), remedy
    assert not re.search(r"[a-z`]\. [A-Z]", remedy), remedy
    assert remedy.split(maxsplit=1)[0] in VERBS, remedy


@pytest.mark.parametrize("name", CASES)
def test_a_failing_check_says_what_and_how_to_mend_it(
    catalog: TinyCatalog, live: Callable[..., Target], name: str
) -> None:
    """The detail is one line without a full stop, the remedy one imperative sentence, and neither holds a secret."""
    check, make, said = CASES[name]
    result = verify(make(catalog, live), check)
    assert not result.ok
    assert said in result.detail
    require_sentences(result.detail, result.remedy)
    assert WRONG_SECRET not in result.detail + result.remedy


def test_every_kind_of_check_is_among_them() -> None:
    """Every kind of check is covered here; `versions` has its own test below."""
    assert {check.kind for check, _, _ in CASES.values()} | {"versions"} == set(KINDS)


def test_a_wrong_signing_secret_fits_the_line_that_people_see(live: Callable[..., Target]) -> None:
    """Name, value and remedy of a wrong signing secret fit the 150 characters of a night's cause."""
    result = verify(live(jwt_secret=WRONG_SECRET), Check(kind="jwt-preflight"))
    assert len(f"{result.name}: {result.detail}. {result.remedy}") <= 150


def test_wrong_versions_are_told_with_the_command(live: Callable[..., Target], monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong versions are reported with the installed and the wanted version, and the command to run."""
    monkeypatch.setattr(machine, "_installed", lambda _name: None)
    result = verify(live(), Check(kind="versions"))
    require_sentences(result.detail, result.remedy)
    assert "boto3 missing" in result.detail


@pytest.mark.parametrize("how", ["no keys", "unknown profile"])
def test_missing_aws_keys_are_no_silent_server(
    live: Callable[..., Target], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Missing AWS keys are not transient, and the remedy names the variables to set."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_PROFILE", "nobody" if how == "unknown profile" else "")
    result = verify(live(url=""), Check(kind="aws-identity"))
    assert result.detail.startswith("no AWS keys: ")
    assert "AWS_ACCESS_KEY_ID" in result.remedy
    require_sentences(result.detail, result.remedy)


def test_an_endpoint_that_fails_is_worth_asking_again(catalog: TinyCatalog, live: Callable[..., Target]) -> None:
    """A server error of the AWS endpoint is transient and named with its status."""
    catalog.status = 503
    result = verify(aws_at(lambda found: found.url)(catalog, live), Check(kind="aws-endpoint"))
    assert result.detail.endswith("answers 503")
    require_sentences(result.detail, result.remedy)
