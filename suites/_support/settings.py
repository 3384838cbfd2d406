"""Settings from the environment: the target's addresses, names, tokens and time factor."""

from __future__ import annotations

import os
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

if TYPE_CHECKING:
    from collections.abc import Collection
    from collections.abc import Iterable


def _required(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise LookupError(f"The variable `{name}` is not set: export what `nightproof testbed` prints, then run again.")
    return value


def _named(name: str) -> str:
    return field(default_factory=lambda: _required(name))


@dataclass(frozen=True)
class Settings:
    """One target; tests take every name from here and hard-code none."""

    catalog_url: str = _named("QUILT_TEST_CATALOG_URL")
    registry: str = _named("QUILT_TEST_REGISTRY_URL")
    work_registry: str = _named("QUILT_TEST_WORK_REGISTRY_URL")
    user: str = _named("QUILT_TEST_USER")
    admin_user: str = _named("QUILT_TEST_ADMIN_USER")
    data: str = _named("QUILT_TEST_BUCKET_DATA")
    scratch: str = _named("QUILT_TEST_BUCKET_SCRATCH")
    packages: str = _named("QUILT_TEST_BUCKET_PACKAGES")
    work: str = _named("QUILT_TEST_BUCKET_WORK")
    perf: str = _named("QUILT_TEST_BUCKET_PERF")
    private: str = _named("QUILT_TEST_BUCKET_PRIVATE")
    west: str = _named("QUILT_TEST_BUCKET_WEST")
    glue_database: str = _named("QUILT_TEST_GLUE_DATABASE")
    seeds: Path = field(default_factory=lambda: Path(_required("NIGHTPROOF_SEEDS")))
    placement: Path = field(default_factory=lambda: Path(_required("NIGHTPROOF_PLACEMENT")))
    region: str = field(default_factory=lambda: os.environ.get("AWS_DEFAULT_REGION", "us-east-1"))
    has_exact_inventory: bool = field(
        default_factory=lambda: "exact_inventory" in os.environ.get("NIGHTPROOF_NEEDS", "").split(",")
    )
    tokens: str = field(default_factory=lambda: os.environ.get("NIGHTPROOF_TOKENS", ""))
    time_factor: float = field(default_factory=lambda: float(os.environ.get("NIGHTPROOF_TIME_FACTOR", "1")))

    @property
    def visible_buckets(self) -> set[str]:
        """Return the buckets that the test user's role may read."""
        return {self.data, self.scratch, self.packages, self.work, self.perf, self.west}

    @property
    def all_buckets(self) -> set[str]:
        """Return the buckets of the catalog, as an admin sees them."""
        return self.visible_buckets | {self.private}

    def ours(self, found: Iterable[str], names: Collection[str]) -> list[str]:
        """Return the names to compare: all found where the inventory is exact, else only the known ones."""
        return [name for name in found if self.has_exact_inventory or name in names]

    def credentials(self, user: str) -> dict[str, Any]:
        """Return how to sign in as one of the target's users, sharing the newest token with all other cells."""
        from nightproof.quilt.tokens import credentials_of  # noqa: PLC0415 - collection must not import a client

        known = credentials_of(self.refresh_token(user), self.tokens)
        return {name: value for name, value in asdict(known).items() if value not in (None, float("inf"))}

    def refresh_token(self, user: str) -> str:
        """Return the configured refresh token of a target's user; exchange it only through `credentials`."""
        variable = {
            self.user: "QUILT_TEST_REFRESH_TOKEN",
            self.admin_user: "QUILT_TEST_ADMIN_REFRESH_TOKEN",
        }.get(user, "QUILT_TEST_READONLY_REFRESH_TOKEN")
        return _required(variable)

    def jwt_secret(self) -> str:
        """Return the key that signs tokens on this target; only tests that need `mint_jwt` use it."""
        return _required("QUILT_TEST_JWT_SECRET")


@cache
def settings() -> Settings:
    """Return the settings, read once and on first use, because collection needs no target."""
    return Settings()
