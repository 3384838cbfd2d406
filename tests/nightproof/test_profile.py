"""Profiles are strict, and their errors name the key, the nearest one and the valid ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from nightproof.errors import UsageError
from nightproof.profile import ALL_NEEDS
from nightproof.profile import load
from nightproof.profile import load_secrets
from nightproof.profile import parse

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
        ({}, ["`target`", "Field required"]),
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
    """A foreign team's profile lies beside its suite."""
    (tmp_path / "mine").mkdir()
    path = tmp_path / "mine.toml"
    path.write_text('target = "live"\n[[suite]]\npath = "mine"\n[[suite]]\npath = "suites/quilt_ops"\n')
    assert [suite.path for suite in load(str(path)).suite] == [tmp_path / "mine", Path("suites/quilt_ops")]


def test_environment_wins_over_dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets come from the environment first, then from the file beside the profile, and hide in repr."""
    (tmp_path / ".env").write_text("NIGHTPROOF_JWT_SECRET=file-jwt\nNIGHTPROOF_SLACK_TOKEN=file-slack\nOTHER=1\n")
    monkeypatch.setenv("NIGHTPROOF_JWT_SECRET", "env-jwt")
    secrets = load_secrets(tmp_path / "p.toml")
    assert secrets.jwt_secret is not None
    assert secrets.slack_token is not None
    assert (secrets.jwt_secret.get_secret_value(), secrets.slack_token.get_secret_value()) == ("env-jwt", "file-slack")
    assert "file-slack" not in repr(secrets)
