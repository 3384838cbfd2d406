"""Admin operations on roles and on the roles of users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nightproof.quilt import admin_calls as calls
from nightproof.quilt.admin_shapes import role_of
from nightproof.quilt.admin_shapes import user_of
from nightproof.quilt.admin_users import Users

if TYPE_CHECKING:
    from nightproof.quilt.admin_records import Role
    from nightproof.quilt.admin_records import User


class Roles(Users):
    """Roles of users."""

    def list_roles(self) -> list[Role]:
        """List roles by name."""
        return sorted(map(role_of, self._do("list_roles", calls.LIST_ROLES)), key=lambda role: role.name)

    def set_user_role(
        self,
        name: str,
        role: str,
        extra_roles: list[str] | None = None,
        append: bool = False,  # noqa: FBT001, FBT002 - the contract's signature
    ) -> User:
        """Replace the primary role; replace the extra ones too, unless `append` adds to them."""
        rules = self._rules("set_user_role")
        rules.text(name, "name")
        rules.text(role, "role")
        rules.flag(append, "append")
        extra = rules.roles(extra_roles, "extra_roles")
        given = {"name": name, "role": role, "extra_roles": extra, "append": append}
        return user_of(self._do("set_user_role", calls.SET_ROLE, **given))

    def add_user_roles(self, name: str, roles: list[str]) -> User:
        """Add extra roles."""
        rules = self._rules("add_user_roles")
        rules.text(name, "name")
        rules.roles(roles, "roles", needed=True)
        return user_of(self._do("add_user_roles", calls.ADD_ROLES, name=name, roles=roles))

    def remove_user_roles(self, name: str, roles: list[str], fallback: str | None = None) -> User:
        """Remove roles from a user.

        The check for roles that the user does not have is ours: the registry would not report them.
        """
        method = "remove_user_roles"
        rules = self._rules(method)
        rules.text(name, "name")
        rules.roles(roles, "roles", needed=True)
        if fallback is not None:
            rules.text(fallback, "fallback")
        held = self._user(method, name).role_names
        lacking = [role for role in roles if role not in held]
        if lacking:
            known = {role.name for role in map(role_of, self._do(method, calls.LIST_ROLES))}
            unknown = [role for role in lacking if role not in known]
            if unknown:
                raise self._ops.not_found(f"admin.{method}", "role", unknown[0], "catalog")
            rules.refuse("roles", roles, f"only roles that the user has, not {lacking[0]}")
        return user_of(self._do(method, calls.REMOVE_ROLES, name=name, roles=roles, fallback=fallback))
