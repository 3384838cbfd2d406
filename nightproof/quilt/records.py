"""Return values of QuiltOps methods, frozen and validated at construction; also credentials and timeouts."""

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
        """Raise if a required text is missing or the registry is not `s3://<bucket>`."""
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
    """One file or directory of a package; `path` is relative to the package root, `size` in bytes."""

    path: str
    size: int | None
    type: Literal["file", "directory"]
    modified_date: str | None
    download_url: str | None = None
    meta: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        """Raise unless a file has a size (0 or more) and a directory has none."""
        _require_text(path=self.path)
        _require((self.type == "directory") == (self.size is None), f"{self.path}: {self.type} with size {self.size}")
        _require(self.size is None or self.size >= 0, f"{self.path}: size {self.size}")


@dataclass(frozen=True, slots=True)
class Bucket_Info:  # noqa: N801 - the contract's name
    """One bucket of the catalog, with the access that the caller's keys have there."""

    name: str
    region: str
    access_level: Literal["read", "read_write"]
    created_date: str | None = None

    def __post_init__(self) -> None:
        """Raise if the name or the region is missing: neither is ever guessed."""
        _require_text(name=self.name, region=self.region)


@dataclass(frozen=True, slots=True)
class Auth_Status:  # noqa: N801 - the contract's name
    """The signed-in user, and the catalog of that sign-in."""

    is_authenticated: bool
    logged_in_url: str | None
    catalog_name: str | None
    registry_url: str | None
    region: str | None
    tabulator_data_catalog: str | None
    user_name: str | None


@dataclass(frozen=True, slots=True)
class Catalog_Config:  # noqa: N801 - the contract's name
    """The fields of a catalog's config.json, and two names derived from them."""

    region: str
    api_gateway_endpoint: str
    registry_url: str
    analytics_bucket: str
    stack_prefix: str
    tabulator_data_catalog: str

    def __post_init__(self) -> None:
        """Raise if region, registry URL or stack prefix is missing."""
        _require_text(region=self.region, registry_url=self.registry_url, stack_prefix=self.stack_prefix)


@dataclass(frozen=True, slots=True)
class Package_Creation_Result:  # noqa: N801 - the contract's name
    """The revision that a creation or update made."""

    package_name: str
    top_hash: str
    registry: str
    catalog_url: str | None
    file_count: int
    success: bool

    def __post_init__(self) -> None:
        """Raise ValueError if a success has no full hash, or if the file count is negative."""
        _require(not self.success or len(self.top_hash) == HASH_LENGTH, f"top_hash {self.top_hash!r} is no full hash")
        _require(self.file_count >= 0, f"file_count {self.file_count}")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Sign-in by a refresh token or by a fixed access token; with both, the access token serves until it expires."""

    refresh_token: str | None = field(default=None, repr=False)
    access_token: str | None = field(default=None, repr=False)
    expires_at: float = float("inf")
    """When the access token ends, seconds since 1970."""
    token_dir: str | None = None
    """A folder in which all who sign in by this refresh token share the newest one."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits of single requests, in seconds. A push of quilt3 is many requests and has no limit as a whole."""

    connect_s: float = 5
    read_s: float = 30
    write_s: float | None = None
    """packageConstruct and packagePromote, or one request of a push; None: 60 s on platform, 120 s in quilt3."""
    config_s: float = 10
    browse_s: float = 30
    s3_attempts: int = 3
    """How often one S3 request is tried in all."""
