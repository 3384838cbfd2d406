"""The configuration of single sign-on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nightproof.quilt import admin_calls as calls
from nightproof.quilt.admin_group import Group
from nightproof.quilt.admin_shapes import sso_of

if TYPE_CHECKING:
    from nightproof.quilt.admin_records import SSOConfig


class Sso(Group):
    """Single sign-on."""

    def get_sso_config(self) -> SSOConfig | None:
        """Return the configuration, or None if none is set."""
        found = self._do("get_sso_config", calls.GET_SSO)
        return sso_of(found) if found else None

    def set_sso_config(self, config: str) -> SSOConfig:
        """Replace the configuration; only the server can validate it."""
        self._rules("set_sso_config").configuration(config)
        found = self._do("set_sso_config", calls.SET_SSO, config=config)
        if found is None:
            raise self._ops.catalog.protocol("admin.set_sso_config", "null, as after a removal")
        return sso_of(found)

    def remove_sso_config(self) -> None:
        """Remove the configuration, if there is one."""
        self._do("remove_sso_config", calls.SET_SSO, config=None)
