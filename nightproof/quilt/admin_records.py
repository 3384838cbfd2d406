"""Return values of AdminOps methods: frozen, with times as ISO 8601 UTC text."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Role:
    """A role of users. The catalog defines the rights of a managed role; only AWS defines those of an unmanaged one."""

    id: str
    name: str
    arn: str
    type: Literal["managed", "unmanaged"]


@dataclass(frozen=True, slots=True)
class User:
    """A user as admins see it; `extra_roles` are sorted by name and exclude the primary role."""

    name: str
    email: str
    is_active: bool
    is_admin: bool
    is_sso_only: bool
    is_service: bool
    date_joined: str
    last_login: str
    role: Role | None
    extra_roles: tuple[Role, ...]

    @property
    def role_names(self) -> frozenset[str]:
        """Return the names of all roles, the primary one included."""
        return frozenset(role.name for role in (self.role, *self.extra_roles) if role)


@dataclass(frozen=True, slots=True)
class SSOConfig:
    """The single sign-on configuration, byte for byte as it was set."""

    text: str
    timestamp: str
    uploader: User


@dataclass(frozen=True, slots=True)
class API_Key:  # noqa: N801 - named like its neighbours in the contract
    """A long-lived bearer token, without the token itself."""

    id: str
    name: str
    fingerprint: str
    created_at: str
    expires_at: str
    last_used_at: str | None
    user_email: str
    status: Literal["ACTIVE", "EXPIRED"]


@dataclass(frozen=True, slots=True)
class New_API_Key:  # noqa: N801 - as above
    """A new API key with its token, which the catalog never shows again."""

    key: API_Key
    secret: str = field(repr=False)
