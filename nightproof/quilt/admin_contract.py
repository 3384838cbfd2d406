"""AdminOps: what admins may do; everybody else is refused with PermissionError, `required_permissions` `admin`.

A user has one primary role and a set of extra ones, of which the primary is none. A deactivated user is refused at
once everywhere, except that AWS keys issued before last until they end.
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
        """Give one user."""

    @abstractmethod
    def create_user(self, name: str, email: str, role: str, extra_roles: list[str] | None = None) -> User:
        """Make a user, active and no admin; a name or an address that is taken is refused."""

    @abstractmethod
    def delete_user(self, name: str) -> None:
        """Remove a user; nobody removes oneself."""

    @abstractmethod
    def set_user_email(self, name: str, email: str) -> User:
        """Change the e-mail address."""

    @abstractmethod
    def set_user_admin(self, name: str, admin: bool) -> User:  # noqa: FBT001 - the contract's signature
        """Make a user an admin, or no longer; the last active admin stays one."""

    @abstractmethod
    def set_user_active(self, name: str, active: bool) -> User:  # noqa: FBT001 - the contract's signature
        """Let a user in, or no longer."""

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
        """Take roles away that the user has; the primary one only for a fallback."""

    @abstractmethod
    def list_roles(self) -> list[Role]:
        """List roles by name."""

    @abstractmethod
    def get_sso_config(self) -> SSOConfig | None:
        """Give the configuration of single sign-on, None where none is set."""

    @abstractmethod
    def set_sso_config(self, config: str) -> SSOConfig:
        """Replace the configuration of single sign-on."""

    @abstractmethod
    def remove_sso_config(self) -> None:
        """Remove the configuration of single sign-on; safe to repeat."""

    @abstractmethod
    def list_api_keys(
        self,
        email: str | None = None,
        name: str | None = None,
        fingerprint: str | None = None,
        status: str | None = None,
    ) -> list[API_Key]:
        """List the API keys of all users, the oldest first; every filter given must fit."""

    @abstractmethod
    def get_api_key(self, key_id: str) -> API_Key:
        """Give one API key."""

    @abstractmethod
    def revoke_api_key(self, key_id: str) -> None:
        """End an API key of any user."""
