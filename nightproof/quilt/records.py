"""What QuiltOps methods return: frozen, and validated at construction."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from typing import Any
from typing import Literal

HASH_LENGTH = 64


def _require(holds: bool, what: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        raise ValueError(what)


def _require_text(**values: object) -> None:
    for name, value in values.items():
        if not isinstance(value, str):
            raise TypeError(f"{name} is {type(value).__name__}, not str")
        _require(bool(value), f"{name} is empty")


@dataclass(frozen=True, slots=True)
class Package_Info:  # noqa: N801 - the contract's name
    """One package at one revision."""

    name: str
    description: str | None
    tags: tuple[str, ...]
    modified_date: str
    registry: str
    bucket: str
    top_hash: str
    message: str | None

    def __post_init__(self) -> None:
        """Hold registry and bucket together."""
        _require_text(name=self.name, modified_date=self.modified_date, top_hash=self.top_hash)
        _require(self.registry == f"s3://{self.bucket}", f"registry {self.registry} is not of bucket {self.bucket}")


@dataclass(frozen=True, slots=True)
class Package_Revision:  # noqa: N801 - the contract's name
    """One revision of a package."""

    top_hash: str
    modified_date: str
    message: str | None


@dataclass(frozen=True, slots=True)
class Content_Info:  # noqa: N801 - the contract's name
    """One file or directory of a package; `path` from the package root."""

    path: str
    size: int | None
    type: Literal["file", "directory"]
    modified_date: str | None
    download_url: str | None = None
    meta: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        """A directory has no size, a file has one."""
        _require_text(path=self.path)
        _require((self.type == "directory") == (self.size is None), f"{self.path}: {self.type} with size {self.size}")
        _require(self.size is None or self.size >= 0, f"{self.path}: size {self.size}")


@dataclass(frozen=True, slots=True)
class Bucket_Info:  # noqa: N801 - the contract's name
    """One bucket of the catalog, with what the caller's keys may do there."""

    name: str
    region: str
    access_level: Literal["read", "read_write"]
    created_date: str | None = None

    def __post_init__(self) -> None:
        """Name and region are never guessed."""
        _require_text(name=self.name, region=self.region)


@dataclass(frozen=True, slots=True)
class Auth_Status:  # noqa: N801 - the contract's name
    """Who is signed in, and where."""

    is_authenticated: bool
    logged_in_url: str | None
    catalog_name: str | None
    registry_url: str | None
    region: str | None
    tabulator_data_catalog: str | None
    user_name: str | None


@dataclass(frozen=True, slots=True)
class Catalog_Config:  # noqa: N801 - the contract's name
    """A catalog's own description."""

    region: str
    api_gateway_endpoint: str
    registry_url: str
    analytics_bucket: str
    stack_prefix: str
    tabulator_data_catalog: str

    def __post_init__(self) -> None:
        """Every field is there."""
        _require_text(region=self.region, registry_url=self.registry_url, stack_prefix=self.stack_prefix)


@dataclass(frozen=True, slots=True)
class Package_Creation_Result:  # noqa: N801 - the contract's name
    """What a creation or update made."""

    package_name: str
    top_hash: str
    registry: str
    catalog_url: str | None
    file_count: int
    success: bool

    def __post_init__(self) -> None:
        """Success means a full hash."""
        _require(not self.success or len(self.top_hash) == HASH_LENGTH, f"top_hash {self.top_hash!r} is no full hash")
        _require(self.file_count >= 0, f"file_count {self.file_count}")


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to sign in: a refresh token, or an access token as it is; with both, the access token until its end."""

    refresh_token: str | None = field(default=None, repr=False)
    access_token: str | None = field(default=None, repr=False)
    expires_at: float = float("inf")
    """When the access token ends, seconds since 1970."""
    token_dir: str | None = None
    """A folder in which all who sign in by this refresh token share the newest one."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits of single requests, seconds; a push of quilt3 is many requests and has no limit as a whole."""

    connect_s: float = 5
    read_s: float = 30
    write_s: float | None = None
    """packageConstruct and packagePromote, or one request of a push; None: 60 s on platform, 120 s in quilt3."""
    config_s: float = 10
    browse_s: float = 30
    s3_attempts: int = 3
    """How often one S3 request is tried in all."""
