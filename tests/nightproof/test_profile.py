"""Profiles are strict, and their errors name the key, the nearest one and the valid ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from nightproof.config.profiles import CHECKOUT
from nightproof.config.profiles import load
from nightproof.config.profiles import parse
from nightproof.config.secrets import load_secrets
from nightproof.errors import UsageError
from nightproof.profile import ALL_NEEDS
from nightproof.profile import Profile

PATH = Path("p.toml")


def test_embedded_profile_offers_everything() -> None:
    """The testbed has all needs; the profile is named after its file."""
    profile = load("embedded")
    assert (profile.name, profile.environment, profile.offers) == ("embedded", "embedded", ALL_NEEDS)


def test_live_profile_offers_what_it_declares() -> None:
    """A live target lacks what its profile does not declare."""
    assert parse({"target": "live", "needs": ["write"]}, PATH).offers == ("write",)
    assert parse({"target": "live"}, PATH).offers == ()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"target": "live", "sutie": []}, ["`sutie`", "Did you mean `suite`?", "Valid keys:"]),
        ({"target": "live", "gates": {"critcal": 1}}, ["`gates.critcal`", "Did you mean `critical`?", "wall_s"]),
        ({"target": "live", "suite": [{"path": "x", "backend": []}]}, ["`suite.0.backend`", "`backends`"]),
        ({"target": "moon"}, ["`target`", "'moon'", "Correct that key"]),
        ({"target": "live", "needs": ["fly"]}, ["`needs.0`", "'fly'"]),
        ({}, ["lacks the key `target`", "`embedded` or `live`"]),
    ],
)
def test_wrong_profile_is_one_sentence(data: dict[str, object], words: list[str]) -> None:
    """A wrong key or value is named with file, place and remedy."""
    with pytest.raises(UsageError) as caught:
        parse(data, PATH)
    message = str(caught.value)
    assert all(word in message for word in [*words, "`p.toml`"]), message
    assert "\n" not in message


def test_unknown_profile_lists_the_known() -> None:
    """A profile that does not exist is answered with those that do."""
    with pytest.raises(UsageError, match=r"no profile `nope`: give one of .*embedded"):
        load("nope")


def test_broken_toml_names_file_and_line(tmp_path: Path) -> None:
    """A TOML error is a sentence, not a traceback."""
    path = tmp_path / "broken.toml"
    path.write_text("target = \n")
    with pytest.raises(UsageError, match=r"broken.toml` is not valid TOML: .*line 1"):
        load(str(path))


def test_suite_path_is_taken_from_the_profile_folder(tmp_path: Path) -> None:
    """A suite's path is resolved from the profile's folder, else from nightproof's own suites."""
    (tmp_path / "mine").mkdir()
    path = tmp_path / "mine.toml"
    path.write_text('target = "live"\n[[suite]]\npath = "mine"\n[[suite]]\npath = "suites/quilt_ops"\n')
    assert [suite.path for suite in load(str(path)).suite] == [tmp_path / "mine", CHECKOUT / "suites" / "quilt_ops"]


def test_environment_wins_over_dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's secrets win over the file beside the profile, and `repr` hides them."""
    (tmp_path / ".env").write_text("NIGHTPROOF_JWT_SECRET=file-jwt\nNIGHTPROOF_SLACK_TOKEN=file-slack\nOTHER=1\n")
    monkeypatch.setenv("NIGHTPROOF_JWT_SECRET", "env-jwt")
    secrets = load_secrets(tmp_path / "p.toml")
    assert secrets.jwt_secret is not None
    assert secrets.slack_token is not None
    assert (secrets.jwt_secret.get_secret_value(), secrets.slack_token.get_secret_value()) == ("env-jwt", "file-slack")
    assert "file-slack" not in repr(secrets)


def with_secret(folder: Path) -> Path:
    """Write a profile of two suites, of which one names a secret."""
    for name in ("shop", "bank"):
        (folder / name).mkdir()
    path = folder / "p.toml"
    path.write_text(
        'target = "live"\n[endpoints.urls]\nshop = "http://shop.test"\n[[suite]]\npath = "bank"\n'
        '[[suite]]\npath = "shop"\nsecrets = ["SHOP_TOKEN"]\n'
    )
    return path


def test_a_suites_secret_is_given_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A suite's secret comes from the shell or the file beside the profile, and is registered for masking."""
    path = with_secret(tmp_path)
    monkeypatch.delenv("SHOP_TOKEN", raising=False)
    (tmp_path / ".env").write_text("SHOP_TOKEN=from-file\n")
    assert load_secrets(path, load(str(path))).of_suite(["SHOP_TOKEN"]) == {"SHOP_TOKEN": "from-file"}
    monkeypatch.setenv("SHOP_TOKEN", "from-shell")
    secrets = load_secrets(path, load(str(path)))
    assert secrets.of_suite(["SHOP_TOKEN"]) == {"SHOP_TOKEN": "from-shell"}
    assert "from-shell" in secrets.values()
    assert "from-shell" not in repr(secrets)


def test_a_suites_secret_that_is_not_set_is_wrong_usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that is not set is a UsageError with suite, variable and both places."""
    path = with_secret(tmp_path)
    monkeypatch.delenv("SHOP_TOKEN", raising=False)
    with pytest.raises(UsageError, match=r"The suite `.*shop` needs the secret `SHOP_TOKEN`.*export it.*\.env`\."):
        load_secrets(path, load(str(path)))


def test_collecting_gives_urls_and_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Collecting gets URLs and placeholders for secrets, the latter only for the suite that lists them."""
    path = with_secret(tmp_path)
    monkeypatch.setenv("SHOP_TOKEN", "from-shell")
    profile = load(str(path))
    assert profile.collecting(tmp_path / "bank") == {"NIGHTPROOF_URL_SHOP": "http://shop.test"}
    assert profile.collecting(tmp_path / "shop").keys() == {"NIGHTPROOF_URL_SHOP", "SHOP_TOKEN"}
    assert "from-shell" not in profile.collecting(tmp_path / "shop").values()


@pytest.mark.parametrize(
    ("fields", "has"),
    [({"target": "live"}, False), ({"target": "live", "endpoints": {"catalog": "http://c.test"}}, True),
     ({"target": "live", "endpoints": {"aws": "http://a.test"}}, True), ({"target": "embedded"}, True)],
    ids=["shop", "catalog", "aws", "embedded"],
)  # fmt: skip
def test_only_targets_with_buckets_are_leased_and_cleaned(fields: dict[str, object], has: bool) -> None:  # noqa: FBT001
    """A profile with only a foreign URL has no buckets, whatever its suites may write."""
    assert Profile.model_validate(fields).has_buckets is has
