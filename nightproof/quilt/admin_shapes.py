"""Conversion of a backend's answers (our strict shapes or quilt3's own classes) to the contract's records."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from typing import Any

from nightproof.quilt.admin_records import API_Key
from nightproof.quilt.admin_records import Role
from nightproof.quilt.admin_records import SSOConfig
from nightproof.quilt.admin_records import User


def user_of(found: Any) -> User:
    """Return the record of a user."""
    return User(
        name=found.name,
        email=found.email,
        is_active=found.is_active,
        is_admin=found.is_admin,
        is_sso_only=found.is_sso_only,
        is_service=found.is_service,
        date_joined=moment(found.date_joined),
        last_login=moment(found.last_login),
        role=role_of(found.role) if found.role else None,
        extra_roles=tuple(sorted(map(role_of, found.extra_roles), key=lambda role: role.name)),
    )


def role_of(found: Any) -> Role:
    """Return the record of a role; quilt3 spells the attribute of the type name differently."""
    kind = getattr(found, "typename__", None) or found.typename
    return Role(found.id, found.name, found.arn, "managed" if kind == "ManagedRole" else "unmanaged")


def sso_of(found: Any) -> SSOConfig:
    """Return the record of a single sign-on configuration."""
    return SSOConfig(found.text, moment(found.timestamp), user_of(found.uploader))


def key_of(found: Any) -> API_Key:
    """Return the record of an API key."""
    return API_Key(
        id=found.id,
        name=found.name,
        fingerprint=found.fingerprint,
        created_at=moment(found.created_at),
        expires_at=moment(found.expires_at),
        last_used_at=moment(found.last_used_at) if found.last_used_at else None,
        user_email=found.user_email,
        status=found.status,
    )


def moment(found: str | datetime) -> str:
    """Return a time as ISO 8601 UTC text."""
    return found.astimezone(UTC).isoformat() if isinstance(found, datetime) else found
