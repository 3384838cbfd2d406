"""The checks of the catalog, against one that really signs and verifies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nightproof.errors import UsageError
from nightproof.profile import Check
from nightproof.provisioning import CheckFailed
from nightproof.provisioning import probe
from nightproof.provisioning import title
from nightproof.provisioning import verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightproof.target import Target

CATALOG = Check(kind="catalog")
JWT = Check(kind="jwt-preflight")


def test_a_catalog_with_a_registry_holds(live: Callable[..., Target]) -> None:
    """The catalog check passes and its detail names the configured registry."""
    result = verify(live(), CATALOG)

    assert result.ok
    assert "/registry, stack unknown" in result.detail
    assert result.remedy == ""


@pytest.mark.parametrize(
    ("config", "said"),
    [({"region": "us-east-1"}, "lacks registryUrl, mode"), (b"<html>", "is not JSON")],
    ids=["incomplete", "html"],
)
def test_a_wrong_configuration_is_found(
    catalog: object, live: Callable[..., Target], config: object, said: str
) -> None:
    """An answer that is no catalog configuration fails the check."""
    catalog.config = config  # type: ignore[attr-defined]

    result = verify(live(), CATALOG)

    assert not result.ok
    assert said in result.detail
    assert result.remedy.endswith(".")


def test_a_profile_without_catalog_says_where_to_set_it(live: Callable[..., Target]) -> None:
    """Without a catalog in the profile the remedy names the key."""
    assert "[endpoints] catalog" in verify(live(url=""), CATALOG).remedy


def test_an_overloaded_catalog_is_worth_asking_again(catalog: object, live: Callable[..., Target]) -> None:
    """A 503 is transient, a 404 is not."""
    target = live()
    for status, transient in ((503, True), (404, False)):
        catalog.status = status  # type: ignore[attr-defined]
        with pytest.raises(CheckFailed) as caught:
            probe(target, CATALOG)
        assert caught.value.transient is transient


def test_a_catalog_that_is_not_there_is_transient(live: Callable[..., Target]) -> None:
    """A refused connection becomes a finding with a remedy, not a traceback."""
    with pytest.raises(CheckFailed, match="no answer") as caught:
        probe(live(url="http://127.0.0.1:9"), CATALOG)

    assert caught.value.transient


def test_signer_and_verifier_agree(live: Callable[..., Target]) -> None:
    """A token signed with the catalog's own secret is accepted."""
    assert verify(live(), JWT).detail == "signed in as test-user; signer and verifier agree"


def test_a_wrong_signing_secret_is_one_cause(live: Callable[..., Target]) -> None:
    """With a wrong signing secret only the minted token is refused, and the sentence does not quote the secret."""
    result = verify(live(jwt_secret="another-secret-that-nobody-knows-0123456789"), JWT)

    assert not result.ok
    assert result.detail.startswith("NIGHTPROOF_JWT_SECRET (SHA-256 ")
    assert "another-secret" not in result.detail + result.remedy


def test_a_missing_signing_secret_is_found(live: Callable[..., Target]) -> None:
    """The need `mint_jwt` without a signing secret fails the check."""
    assert "NIGHTPROOF_JWT_SECRET is not set" in verify(live(jwt_secret=""), JWT).detail


def test_without_mint_jwt_no_secret_is_needed(live: Callable[..., Target]) -> None:
    """Without `mint_jwt` one refresh token is enough."""
    assert verify(live(needs=(), jwt_secret=""), JWT).ok


@pytest.mark.parametrize(("token", "said"), [("", "no refresh token"), ("expired-token", "refuses the refresh token")])
def test_a_bad_refresh_token_is_found(live: Callable[..., Target], token: str, said: str) -> None:
    """A missing refresh token and a refused one have different findings."""
    assert said in verify(live(refresh_token=token), JWT).detail


def test_a_token_of_somebody_else_is_found(catalog: object, live: Callable[..., Target]) -> None:
    """A refresh token of another user fails the check."""
    catalog.user = "somebody-else"  # type: ignore[attr-defined]

    assert "signs in as `somebody-else`" in verify(live(), JWT).detail


def test_a_catalog_that_refuses_its_own_token_is_found(catalog: object, live: Callable[..., Target]) -> None:
    """A catalog that refuses its own token is reported as the catalog's fault."""
    catalog.verifies_with = "a-secret-that-was-rotated-meanwhile-0123456789"  # type: ignore[attr-defined]

    assert "does not accept the token that it issued" in verify(live(), JWT).detail


def test_an_unknown_kind_is_wrong_usage(live: Callable[..., Target]) -> None:
    """An unknown kind is a UsageError that suggests the nearest one."""
    with pytest.raises(UsageError, match="Did you mean `buckets`"):
        probe(live(), Check(kind="bucket"))


def test_a_check_is_titled_by_name_or_kind_and_url() -> None:
    """A check's title is its name, else its kind and URL."""
    assert title(Check(kind="http", name="staging")) == "staging"
    assert title(Check(kind="http", url="http://x")) == "http http://x"
    assert title(Check(kind="http", url="http://joe:secret@x/y")) == "http http://joe:[redacted]@x/y"
