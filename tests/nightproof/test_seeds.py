"""The seeds of a night, bound to a target: which jobs, in which order, and who signs in."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING
from typing import Any

import pytest

from nightproof import seeds
from nightproof.datasets import plan
from nightproof.errors import Blocked
from nightproof.errors import UsageError
from nightproof.profile import Profile
from nightproof.records import SeedResult
from nightproof.seeds import jobs_of
from nightproof.seeds import seed_jobs
from nightproof.seeds import seed_target
from nightproof.target import Target
from tests.nightproof.foreign import no_secrets

if TYPE_CHECKING:
    from pathlib import Path

SMALL = "mixed-formats"


def with_datasets(target: Target, *names: str) -> Target:
    """Return the same running systems under a profile with datasets."""
    profile = target.profile.model_copy(update={"datasets": names})
    return Target(profile, target.secrets, target.state_dir, target.facts)


def test_a_profile_without_datasets_has_no_job(tmp_path: Path) -> None:
    """A profile without datasets has no seed job, and no S3 client is created for it."""
    profile = Profile.model_validate({"target": "live"})

    assert jobs_of(Target(profile, no_secrets(), tmp_path)) == ()


def test_packages_come_after_the_objects_they_point_at(embedded: Target) -> None:
    """The wanted datasets come first; packages and tables come last."""
    target = with_datasets(embedded, SMALL)

    names = [job.name for job in seed_jobs(SimpleNamespace(systems=target))]  # type: ignore[arg-type]

    assert names[0] == SMALL
    assert names[-3:] == ["baseline-packages", "other-packages", "tabulator-tables"]


def test_a_night_seeds_what_its_suites_read_too(embedded: Target, tmp_path: Path) -> None:
    """A dataset that only a suite lists is seeded too, and bulk objects come before their packages."""
    (tmp_path / "suite.toml").write_text('name = "s"\ndatasets = ["bulk-src"]\n', encoding="utf-8")
    target = with_datasets(embedded, SMALL)
    suites = Profile.model_validate({"target": "live", "suite": [{"path": str(tmp_path)}]}).suite
    profile = target.profile.model_copy(update={"suite": suites})

    names = [job.name for job in jobs_of(Target(profile, target.secrets, target.state_dir, target.facts))]

    assert names[:2] == [SMALL, "bulk-src"]
    assert names[-3:] == ["other-packages", "bulk-packages", "tabulator-tables"]


def test_an_unknown_dataset_is_wrong_usage(embedded: Target) -> None:
    """An unknown dataset is a UsageError with the known ones."""
    with pytest.raises(UsageError, match=r"no dataset `nope`: give some of .*mixed-formats"):
        jobs_of(with_datasets(embedded, "nope"))


def test_a_seed_is_put_in_place_once(embedded: Target) -> None:
    """Unchanged content is not uploaded again."""
    job = jobs_of(with_datasets(embedded, SMALL))[0]

    first, again = job.run(), job.run()

    assert first.files == again.files > 0
    assert first.sha256 == again.sha256
    assert again.uploaded_bytes == 0


def test_the_catalog_is_asked_once_and_only_by_packages(embedded: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both package jobs share one sign-in as the admin."""
    asked: list[Any] = []

    def jobs(_storage: object, catalog: Any, _datasets: object) -> Any:
        return tuple((name, lambda: asked.append(catalog())) for name in ("baseline", "others"))

    monkeypatch.setattr(plan, "jobs", jobs)
    for job in jobs_of(with_datasets(embedded, SMALL)):
        job.run()

    assert asked[0] is asked[1]
    me = asked[0].ask("query { me { name } }", {})
    assert me == {"me": {"name": "test-admin"}}
    assert asked[0].child_env["AWS_ACCESS_KEY_ID"] == embedded.facts["credentials"]["ci-seeder"]["access_key_id"]


def test_a_refused_sign_in_blocks_the_night(embedded: Target) -> None:
    """A refused sign-in is one sentence with cause and remedy, without the token."""
    target = with_datasets(embedded, SMALL)
    target.facts = target.facts | {"refresh_tokens": {"test-admin": "a-token-that-is-revoked"}}

    with pytest.raises(Blocked, match=r"refused the refresh token of `test-admin`: renew the token\.") as caught:
        jobs_of(target)[-1].run()

    assert "a-token-that-is-revoked" not in str(caught.value)


def test_a_catalog_that_is_away_blocks_the_night(tmp_path: Path) -> None:
    """An unreachable catalog is one sentence with address and remedy."""
    fields = {"target": "live", "datasets": [SMALL], "endpoints": {"catalog": "http://127.0.0.1:9"}}
    target = Target(Profile.model_validate(fields), no_secrets(admin_refresh_token="x" * 20), tmp_path)

    with pytest.raises(Blocked, match=r"`http://127\.0\.0\.1:9` does not say .*: start the catalog, or correct"):
        seeds._sign_in(target)


def test_a_registry_that_is_away_blocks_the_night(embedded: Target) -> None:
    """An unreachable registry blocks the night although the catalog answers."""
    target = with_datasets(embedded, SMALL)
    target._config = {"registryUrl": "http://127.0.0.1:9/registry"}

    with pytest.raises(Blocked, match=r"The registry `http://127\.0\.0\.1:9/registry` gave no answer .*: start it"):
        seeds._sign_in(target)


def test_without_an_admins_token_the_variable_is_named(embedded: Target) -> None:
    """Without an admin's token the variable is named and no sign-in is tried."""
    target = with_datasets(embedded, SMALL)
    target.facts = target.facts | {"refresh_tokens": {}}

    with pytest.raises(Blocked, match="no refresh token of `test-admin`: set NIGHTPROOF_ADMIN_REFRESH_TOKEN"):
        seeds._sign_in(target)


def test_seeding_by_hand_reports_each_job(embedded: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """Manual seeding reports each job's progress and keeps the results in order."""
    made = SeedResult(
        name="one", kind="dataset", files=1, bytes=1, sha256="0" * 64, generated_bytes=1, uploaded_bytes=1,
        repaired=0, duration_s=0.1,
    )  # fmt: skip
    monkeypatch.setattr(plan, "jobs", lambda *_args: (("one", lambda: made), ("two", lambda: made)))
    told: list[tuple[str, int, int]] = []

    results = seed_target(with_datasets(embedded, SMALL), lambda *news: told.append(news))

    assert results == (made, made)
    assert told == [("one", 1, 2), ("two", 2, 2)]
