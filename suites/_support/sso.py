"""The SSO configuration: one text for the whole catalog, held by one test at a time and then restored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from suites._support.exclusive import borrowed

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from nightproof.quilt import AdminOps
    from suites._support.settings import Settings


def borrowed_sso(admin: AdminOps, target: Settings) -> AbstractContextManager[str | None]:
    """Hold the SSO text alone, yield its present value, and restore it at the end."""

    def read() -> str | None:
        found = admin.get_sso_config()
        return found.text if found else None

    def write(text: str | None) -> None:
        if text is None:
            admin.remove_sso_config()
        else:
            admin.set_sso_config(text)

    return borrowed(target.placement, "sso", read, write)
