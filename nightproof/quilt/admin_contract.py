"""AdminOps: the operations of admins. Others get PermissionError with `required_permissions` `["admin"]`.

A user has one primary role and a set of extra ones; the primary role is never among the extra ones. A deactivated user
is rejected everywhere at once, but AWS keys issued before stay valid until they expire. An unknown user, role or key
raises NotFoundError.
"""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nightproof.quilt.admin_records import API_Key
    from nightproof.quilt.admin_records import Role
    from nightproof.quilt.admin_records import SSOConfig
    from nightproof.quilt.admin_records import User


class AdminOps(ABC):
    """Users, roles, single sign-on and API keys of a catalog."""

    @abstractmethod
    def list_users(self) -> list[User]:
        """List users by name."""

    @abstractmethod
    def get_user(self, name: str) -> User:
        """Return one user; raise NotFoundError if there is none."""

    @abstractmethod
    def create_user(self, name: str, email: str, role: str, extra_roles: list[str] | None = None) -> User:
        """Create a user, active and not an admin; raise ValidationError if the name or the address is taken."""

    @abstractmethod
    def delete_user(self, name: str) -> None:
        """Delete a user; raise ValidationError for the signed-in user."""

    @abstractmethod
    def set_user_email(self, name: str, email: str) -> User:
        """Change the e-mail address."""

    @abstractmethod
    def set_user_admin(self, name: str, admin: bool) -> User:  # noqa: FBT001 - the contract's signature
        """Grant or withdraw a user's admin flag; the last active admin keeps it."""

    @abstractmethod
    def set_user_active(self, name: str, active: bool) -> User:  # noqa: FBT001 - the contract's signature
        """Activate or deactivate a user."""

    @abstractmethod
    def reset_user_password(self, name: str) -> None:
        """Send the user a message for choosing a new password."""

    @abstractmethod
    def set_user_role(
        self,
        name: str,
        role: str,
        extra_roles: list[str] | None = None,
        append: bool = False,  # noqa: FBT001, FBT002 - the contract's signature
    ) -> User:
        """Replace the primary role, and the extra ones too unless `append` adds to them."""

    @abstractmethod
    def add_user_roles(self, name: str, roles: list[str]) -> User:
        """Add extra roles; one that the user has already changes nothing."""

    @abstractmethod
    def remove_user_roles(self, name: str, roles: list[str], fallback: str | None = None) -> User:
        """Remove roles from a user; the primary one only if a fallback is given.

        Raise ValidationError for a role that the user does not have.
        """

    @abstractmethod
    def list_roles(self) -> list[Role]:
        """List roles by name."""

    @abstractmethod
    def get_sso_config(self) -> SSOConfig | None:
        """Return the single sign-on configuration, or None if none is set."""

    @abstractmethod
    def set_sso_config(self, config: str) -> SSOConfig:
        """Replace the single sign-on configuration."""

    @abstractmethod
    def remove_sso_config(self) -> None:
        """Remove the single sign-on configuration; safe to repeat."""

    @abstractmethod
    def list_api_keys(
        self,
        email: str | None = None,
        name: str | None = None,
        fingerprint: str | None = None,
        status: str | None = None,
    ) -> list[API_Key]:
        """List the API keys of all users that match every filter, the oldest first; `status` is ACTIVE or EXPIRED."""

    @abstractmethod
    def get_api_key(self, key_id: str) -> API_Key:
        """Return one API key; raise NotFoundError if there is none."""

    @abstractmethod
    def revoke_api_key(self, key_id: str) -> None:
        """Revoke an API key of any user."""
