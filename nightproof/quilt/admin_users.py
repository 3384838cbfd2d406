"""Admin operations on users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nightproof.quilt import admin_calls as calls
from nightproof.quilt.admin_group import Group
from nightproof.quilt.admin_shapes import user_of

if TYPE_CHECKING:
    from nightproof.quilt.admin_records import User


class Users(Group):
    """Users, their state and their e-mail addresses."""

    def list_users(self) -> list[User]:
        """List users by name."""
        return sorted(map(user_of, self._do("list_users", calls.LIST_USERS)), key=lambda user: user.name)

    def get_user(self, name: str) -> User:
        """Return one user, or raise NotFoundError; the registry answers null for an unknown name."""
        self._rules("get_user").text(name, "name")
        return self._user("get_user", name)

    def create_user(self, name: str, email: str, role: str, extra_roles: list[str] | None = None) -> User:
        """Create a user."""
        rules = self._rules("create_user")
        rules.new_user(name, email)
        rules.text(role, "role")
        rules.roles(extra_roles, "extra_roles")
        given = {"name": name, "email": email, "role": role, "extra_roles": extra_roles}
        return user_of(self._do("create_user", calls.CREATE_USER, **given))

    def delete_user(self, name: str) -> None:
        """Delete a user other than the signed-in one."""
        rules = self._rules("delete_user")
        rules.text(name, "name")
        if self._ops.me("admin.delete_user").name == name:
            rules.refuse("name", name, "another user than the one signed in")
        self._do("delete_user", calls.DELETE_USER, name=name)

    def set_user_email(self, name: str, email: str) -> User:
        """Change the e-mail address."""
        rules = self._rules("set_user_email")
        rules.text(name, "name")
        rules.email(email)
        return user_of(self._do("set_user_email", calls.SET_EMAIL, name=name, email=email))

    def set_user_admin(self, name: str, admin: bool) -> User:  # noqa: FBT001 - the contract's signature
        """Grant or withdraw a user's admin flag."""
        rules = self._rules("set_user_admin")
        rules.text(name, "name")
        rules.flag(admin, "admin")
        return user_of(self._do("set_user_admin", calls.SET_ADMIN, name=name, admin=admin))

    def set_user_active(self, name: str, active: bool) -> User:  # noqa: FBT001 - the contract's signature
        """Activate or deactivate a user."""
        rules = self._rules("set_user_active")
        rules.text(name, "name")
        rules.flag(active, "active")
        return user_of(self._do("set_user_active", calls.SET_ACTIVE, name=name, active=active))

    def reset_user_password(self, name: str) -> None:
        """Send the user a message for choosing a new password."""
        self._rules("reset_user_password").text(name, "name")
        self._do("reset_user_password", calls.RESET_PASSWORD, name=name)

    def _user(self, method: str, name: str) -> User:
        found = self._do(method, calls.GET_USER, name=name)
        if found is None:
            raise self._ops.not_found(f"admin.{method}", "user", name, "catalog")
        if found.name != name:
            raise self._ops.catalog.protocol(f"admin.{method}", f"asked for {name}, the catalog gave {found.name}")
        return user_of(found)
