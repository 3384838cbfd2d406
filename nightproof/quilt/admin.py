"""AdminOps, the same on both backends except for how a call is sent."""

from __future__ import annotations

from nightproof.quilt.admin_keys import Keys
from nightproof.quilt.admin_roles import Roles
from nightproof.quilt.admin_sso import Sso


class Admin(Roles, Sso, Keys):
    """All groups of admin operations."""
