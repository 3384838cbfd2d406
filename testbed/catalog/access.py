"""The admin fields for roles and policies."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

from testbed.catalog import database as db
from testbed.catalog import policies
from testbed.catalog import role_changes
from testbed.catalog.arms import armed
from testbed.catalog.arms import bend_of
from testbed.catalog.arms import marked
from testbed.catalog.descriptions import policies_of
from testbed.catalog.descriptions import roles_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

Answer = dict[str, Any]


class Access:
    """Queries and mutations of roles and policies; graphql-core calls them with the request's info."""

    def roles(self, info: Any) -> list[Answer]:
        """List the roles."""
        return list(bend_of(info)("roles", roles_of(_admins(info))))

    def role(self, info: Any, id: str) -> Answer | None:
        """Return one role, or None."""
        return next(iter(roles_of(_admins(info), db.roles.c.id == id)), None)

    def defaultRole(self, info: Any) -> Answer | None:
        """Return the default role, or None."""
        return role_changes.default(_admins(info))

    def policies(self, info: Any) -> list[Answer]:
        """List the policies."""
        return policies_of(_admins(info))

    def policy(self, info: Any, id: str) -> Answer | None:
        """Return one policy, or None."""
        return next(iter(policies_of(_admins(info), db.policies.c.id == id)), None)

    def roleCreateManaged(self, info: Any, input: Answer) -> Answer:
        """Create a managed role: its rights come from policies."""
        engine = _admins(info)
        return marked(info, lambda: role_changes.create(engine, input["name"], "", input["policies"]))

    def roleCreateUnmanaged(self, info: Any, input: Answer) -> Answer:
        """Create an unmanaged role: its rights come from an IAM role."""
        engine = _admins(info)
        return marked(info, lambda: role_changes.create(engine, input["name"], input["arn"], None))

    def roleUpdateManaged(self, info: Any, id: str, input: Answer) -> Answer:
        """Replace name and policies of a managed role."""
        engine = _admins(info)
        return marked(info, lambda: role_changes.update(engine, id, input["name"], "", input["policies"]))

    def roleUpdateUnmanaged(self, info: Any, id: str, input: Answer) -> Answer:
        """Replace name and IAM role of an unmanaged role."""
        engine = _admins(info)
        return marked(info, lambda: role_changes.update(engine, id, input["name"], input["arn"], None))

    def roleDelete(self, info: Any, id: str) -> Answer:
        """Delete a role."""
        engine = _admins(info)
        return marked(info, lambda: role_changes.delete(engine, id))

    def roleSetDefault(self, info: Any, id: str) -> Answer:
        """Set the default role."""
        engine = _admins(info)
        return marked(info, lambda: role_changes.set_default(engine, id, info.context.who.name))

    def policyCreateManaged(self, info: Any, input: Answer) -> Answer:
        """Create a managed policy: permissions on buckets."""
        engine = _admins(info)
        return armed(info, lambda: policies.create(engine, input))

    def policyCreateUnmanaged(self, info: Any, input: Answer) -> Answer:
        """Create an unmanaged policy: the ARN of an AWS policy."""
        engine = _admins(info)
        return armed(info, lambda: policies.create(engine, input))

    def policyUpdateManaged(self, info: Any, id: str, input: Answer) -> Answer:
        """Replace title, permissions and roles of a managed policy."""
        engine = _admins(info)
        return armed(info, lambda: policies.update(engine, id, input))

    def policyUpdateUnmanaged(self, info: Any, id: str, input: Answer) -> Answer:
        """Replace title, ARN and roles of an unmanaged policy."""
        engine = _admins(info)
        return armed(info, lambda: policies.update(engine, id, input))

    def policyDelete(self, info: Any, id: str) -> Answer:
        """Delete a policy."""
        engine = _admins(info)
        return armed(info, lambda: policies.delete(engine, id))


def _admins(info: Any) -> Engine:
    """Return the database if the caller is an admin; raise ForbiddenError otherwise."""
    info.context.who.require_admin()
    engine: Engine = info.context.engine
    return engine
