"""The one loader: profile, secrets, suites, quarantine and places of a night, checked before anything starts.

Every command and the flow load their configuration here, so they refuse the same things in the same words.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - annotations stay usable at run time
from typing import TYPE_CHECKING

from nightproof.config import profiles
from nightproof.config.places import require_places
from nightproof.config.relays import require_relay
from nightproof.config.secrets import load_secrets
from nightproof.datasets.plan import require_known as require_known_datasets
from nightproof.errors import UsageError
from nightproof.evidence.suite import load_suite
from nightproof.provisioning import require_known as require_known_checks
from nightproof.verdict.catalogue import update_command
from nightproof.verdict.quarantine import read_quarantine

if TYPE_CHECKING:
    from nightproof.profile import Profile
    from nightproof.profile import Secrets


@dataclass(frozen=True, slots=True)
class Configuration:
    """The configuration of a night or another job: the profile, its file, and its secrets."""

    path: Path
    profile: Profile
    secrets: Secrets


def load(name_or_path: str, *, for_tests: bool = True) -> Configuration:
    """Read and check everything; raise UsageError with one sentence for the first problem.

    `for_tests` means that tests will run, so the secrets listed by suites must be set.
    """
    path = profiles.find(name_or_path)
    profile = load_profile(name_or_path)
    secrets = load_secrets(path, profile, for_tests=for_tests)
    require_suites(profile)
    require_places(profile)
    return Configuration(path, profile, secrets)


def load_profile(name_or_path: str) -> Profile:
    """Read a profile for a job without suites or secrets; raise UsageError for unknown checks and datasets."""
    profile = profiles.load(name_or_path)
    require_known_checks(profile.checks)
    require_known_datasets(profile.datasets)
    return profile


def require_suites(profile: Profile) -> None:
    """Raise UsageError for a suite whose folder is missing, whose files are wrong, or whose name is taken."""
    owners: dict[str, Path] = {}
    for suite in profile.suite:
        _require_folder(suite.path)
        config = load_suite(suite.path)
        require_known_datasets(config.datasets)
        require_relay(suite, config.hosts, profile)
        read_quarantine(suite.path / "quarantine.toml")
        other = owners.setdefault(config.name.casefold(), suite.path)
        if other is not suite.path:
            raise UsageError(
                f"The suites `{other}` and `{suite.path}` are both called `{config.name}`: give one of them another "
                f'name, as `name = "{suite.path.parent.name}-{config.name}"` in `{suite.path / "suite.toml"}`, and run '
                f"`{update_command(suite.path, suite.given)}`."
            )


def _require_folder(path: Path) -> None:
    try:
        is_folder = path.is_dir() and any(True for _ in path.iterdir())
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"The suite folder `{path}` cannot be read ({why}): correct [[suite]] path.") from error
    if not is_folder:
        raise UsageError(f"There is no suite folder `{path}`, or it is empty: correct [[suite]] path in the profile.")
