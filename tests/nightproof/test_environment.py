"""The variables that a cell's environment must and must not hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import pytest

from nightproof import environment
from nightproof.environment import cell_environment
from nightproof.environment import seeder_environment
from nightproof.profile import ALL_NEEDS
from nightproof.profile import Profile
from nightproof.target import PASSED_ON
from nightproof.target import Target
from tests.nightproof.foreign import no_secrets

if TYPE_CHECKING:
    from nightproof.profile import Secrets


def live(tmp_path: Path, secrets: Secrets | None = None, **fields: Any) -> Target:
    """Return a live target of a profile's fields."""
    return Target(Profile.model_validate({"target": "live"} | fields), secrets or no_secrets(), tmp_path)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Take away every AWS setting of the developer."""
    for name in PASSED_ON:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(environment, "AWS_FILES", {})
    return monkeypatch


def test_a_cell_on_the_testbed_knows_its_systems(embedded: Target) -> None:
    """A cell on the testbed has addresses, the limited keys, the users' tokens and the control endpoint."""
    env = cell_environment(embedded)

    keys = embedded.facts["credentials"]["ci-runner"]
    assert env["AWS_ENDPOINT_URL"] == embedded.aws_url
    assert (env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]) == tuple(keys.values())
    assert env["AWS_EC2_METADATA_DISABLED"] == "true"
    assert env["QUILT_TEST_CATALOG_URL"] == embedded.catalog_url
    assert env["QUILT_TEST_GRAPHQL_ENDPOINT"] == f"{embedded.registry_url}/graphql"
    assert env["QUILT_TEST_REFRESH_TOKEN"] == embedded.facts["refresh_tokens"]["test-user"]
    assert env["QUILT_TEST_ADMIN_REFRESH_TOKEN"] == embedded.facts["refresh_tokens"]["test-admin"]
    assert env["QUILT_TEST_READONLY_REFRESH_TOKEN"] == embedded.facts["refresh_tokens"]["test-readonly"]
    assert env["QUILT_TEST_JWT_SECRET"] == embedded.facts["jwt_secret"]
    assert env["NIGHTPROOF_NEEDS"] == ",".join(ALL_NEEDS)
    assert env["NIGHTPROOF_CONTROL_TOKEN"] == embedded.facts["control_token"]
    assert env["NIGHTPROOF_CONTROL_URLS"] == f"aws={embedded.aws_url} catalog={embedded.catalog_url}"
    assert (Path(env["NIGHTPROOF_SEEDS"]) / "manifest.json").is_file()


def test_a_cell_never_gets_the_seeders_keys(embedded: Target) -> None:
    """A cell never gets the seeder's keys."""
    seeder = embedded.facts["credentials"]["ci-seeder"]

    env = cell_environment(embedded)

    assert not set(env.values()) & set(seeder.values())
    assert seeder_environment(embedded)["AWS_SECRET_ACCESS_KEY"] == seeder["secret_access_key"]


def test_the_seeding_child_gets_no_token_and_no_control(embedded: Target) -> None:
    """The seeder's process gets S3 access only, no token and no control endpoint."""
    env = seeder_environment(embedded)

    assert not [name for name in env if "TOKEN" in name or "CONTROL" in name or "JWT" in name]
    assert env["QUILT_MINIMIZE_STDOUT"] == "true"


def test_a_foreign_suite_gets_its_urls_and_no_quilt(tmp_path: Path, bare: pytest.MonkeyPatch) -> None:
    """Without a catalog a cell has neither its token nor its address, and no empty variable."""
    del bare
    urls = {"shop": "http://shop.test", "pay-ments.v2": "http://pay.test"}
    secrets = no_secrets(refresh_token="a-refresh-token", jwt_secret="a-jwt-secret", slack_token="a-slack-token")

    env = cell_environment(live(tmp_path, secrets, endpoints={"urls": urls}, time_factor=0.5))

    assert env["NIGHTPROOF_URL_SHOP"] == "http://shop.test"
    assert env["NIGHTPROOF_URL_PAY_MENTS_V2"] == "http://pay.test"
    assert (env["NIGHTPROOF_TARGET"], env["NIGHTPROOF_TIME_FACTOR"]) == ("live", "0.5")
    assert not [name for name in env if "TOKEN" in name or "CATALOG" in name or "SECRET" in name]
    assert not {"AWS_ENDPOINT_URL", "NIGHTPROOF_NEEDS", "NIGHTPROOF_CONTROL_URLS"} & env.keys()
    assert all(env.values())


def test_a_live_cell_sees_the_callers_keys_and_nothing_else_of_the_shell(
    tmp_path: Path, bare: pytest.MonkeyPatch
) -> None:
    """A live cell gets the shell's AWS settings by name and no other secret of the shell."""
    config = tmp_path / "config"
    config.write_text("[default]\n")
    bare.setattr(environment, "AWS_FILES", {"AWS_CONFIG_FILE": config, "AWS_SHARED_CREDENTIALS_FILE": tmp_path / "no"})
    bare.setenv("AWS_PROFILE", "staging")
    bare.setenv("SOMEBODYS_PASSWORD", "not-for-suites")

    env = cell_environment(live(tmp_path))

    assert env["AWS_PROFILE"] == "staging"
    assert env["AWS_CONFIG_FILE"] == str(config)
    assert "AWS_SHARED_CREDENTIALS_FILE" not in env
    assert "not-for-suites" not in env.values()


def test_a_setting_of_the_shell_wins_over_the_file_in_its_home(tmp_path: Path, bare: pytest.MonkeyPatch) -> None:
    """An AWS file set in the shell wins over the one in the home."""
    (tmp_path / "config").write_text("[default]\n")
    bare.setattr(environment, "AWS_FILES", {"AWS_CONFIG_FILE": tmp_path / "config"})
    bare.setenv("AWS_CONFIG_FILE", "/elsewhere")

    assert cell_environment(live(tmp_path))["AWS_CONFIG_FILE"] == "/elsewhere"


@pytest.mark.parametrize(("needs", "has_secret"), [(("mint_jwt",), True), (("write",), False)])
def test_the_signing_secret_is_given_only_where_it_is_needed(
    tmp_path: Path, needs: tuple[str, ...], *, has_secret: bool
) -> None:
    """A cell gets the signing secret only if the profile offers `mint_jwt`."""
    secrets = no_secrets(jwt_secret="a-signing-secret", refresh_token="a-refresh-token")
    target = live(tmp_path, secrets, needs=needs, endpoints={"catalog": "http://127.0.0.1:9"})

    env = cell_environment(target)

    assert env["QUILT_TEST_REFRESH_TOKEN"] == "a-refresh-token"
    assert ("a-signing-secret" in env.values()) is has_secret
    assert "QUILT_TEST_GRAPHQL_ENDPOINT" not in env  # this catalog does not say where its registry is
    assert "QUILT_TEST_ADMIN_REFRESH_TOKEN" not in env
