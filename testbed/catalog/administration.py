"""The fields below `admin`, and the admin mutations at the root."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from testbed.catalog import sso
from testbed.catalog import tabulator
from testbed.catalog.api_keys import ApiKeys
from testbed.catalog.api_keys import moment
from testbed.catalog.arms import armed
from testbed.catalog.arms import bend_of
from testbed.catalog.arms import invalid
from testbed.catalog.descriptions import bucket_of
from testbed.catalog.settings import put_setting
from testbed.catalog.settings import setting
from testbed.catalog.users import Users
from testbed.catalog.users import gone_user

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

EVENT_RULES: Final = ("healthomics", "ro-crate")
EVENT_RULE: Final = "event-rule:"


class Administration:
    """The root fields for admins; queries and mutations share the same objects."""

    def admin(self, info: Any) -> Admin:
        """Return the object below `admin`; raise ForbiddenError unless the caller is an admin."""
        info.context.who.require_admin()
        return Admin(info.context.engine)

    def bucketSetTabulatorTable(
        self, info: Any, bucketName: str, tableName: str, config: str | None = None
    ) -> dict[str, Any]:
        """Create, replace or delete a table; the same field exists below `admin`."""
        info.context.who.require_admin()
        return Admin(info.context.engine).bucketSetTabulatorTable(info, bucketName, tableName, config)

    def bucketRenameTabulatorTable(
        self, info: Any, bucketName: str, tableName: str, newTableName: str
    ) -> dict[str, Any]:
        """Rename a table; the same field exists below `admin`."""
        info.context.who.require_admin()
        return Admin(info.context.engine).bucketRenameTabulatorTable(info, bucketName, tableName, newTableName)


class Admin:
    """The object below `admin`, for queries and mutations."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.user = Users(engine)
        self.apiKeys = AllApiKeys(engine, None)
        self.packager = Packager(engine)

    def ssoConfig(self, info: Any) -> dict[str, Any] | None:
        """Return the configuration of single sign-on, or None."""
        found = setting(self._engine, sso.NAME)
        if found is None:
            return None
        time = moment(found.time)
        uploader = self.user.get(info, found.author) or gone_user(found.author, time)
        return {"__typename": "SsoConfig", "text": found.value, "timestamp": time, "uploader": uploader}

    def setSsoConfig(self, info: Any, config: str | None = None) -> dict[str, Any] | None:
        """Replace the configuration of single sign-on; None deletes it and returns None."""

        def put() -> dict[str, Any]:
            bend, before = bend_of(info), setting(self._engine, sso.NAME)
            is_checked = bend("sso is checked", value=True)
            sso.put_config(self._engine, bend("sso text", config), info.context.who.name, is_checked=is_checked)
            facts = {"engine": self._engine, "name": sso.NAME, "before": before, "config": config}
            return bend("sso change", self.ssoConfig(info), **facts) or {}

        return armed(info, put) or None

    def isDefaultRoleSettingDisabled(self, _info: Any) -> bool:
        """Return whether single sign-on decides the default role."""
        return setting(self._engine, sso.NAME) is not None

    def tabulatorOpenQuery(self, info: Any) -> bool:
        """Return whether tables may be queried with credentials that the catalog did not issue."""
        return bool(info.context.registry.defects.bend("open query", tabulator.is_open(self._engine)))

    def setTabulatorOpenQuery(self, info: Any, enabled: bool) -> Admin:  # noqa: FBT001 - the field's argument
        """Enable or disable open query; the returned object reads the stored flag."""
        tabulator.set_open(self._engine, info.context.who.name, info.context.registry.defects.bend, enabled=enabled)
        return self

    def bucketSetTabulatorTable(
        self, info: Any, bucketName: str, tableName: str, config: str | None = None
    ) -> dict[str, Any]:
        """Create or replace a table; a null configuration deletes it."""

        def put() -> dict[str, Any]:
            tabulator.put_table(self._engine, bucketName, tableName, config, info.context.registry.defects.bend)
            return bucket_of(self._engine, bucketName) or {}

        return armed(info, put)

    def bucketRenameTabulatorTable(
        self, info: Any, bucketName: str, tableName: str, newTableName: str
    ) -> dict[str, Any]:
        """Rename a table."""

        def rename() -> dict[str, Any]:
            tabulator.rename_table(
                self._engine, bucketName, tableName, newTableName, info.context.registry.defects.bend
            )
            return bucket_of(self._engine, bucketName) or {}

        return armed(info, rename)


class Packager:
    """The event rules that create packages; admins can toggle them, but no event bus acts on them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def eventRules(self, info: Any) -> list[dict[str, Any] | None]:
        """List the rules."""
        return [self.eventRule(info, name) for name in EVENT_RULES]

    def eventRule(self, _info: Any, name: str) -> dict[str, Any] | None:
        """Return one rule, or None."""
        if name not in EVENT_RULES:
            return None
        found = setting(self._engine, EVENT_RULE + name)
        enabled = found is not None and found.value == "on"
        return {"__typename": "PackagerEventRule", "name": name, "enabled": enabled}

    def toggleEventRule(self, info: Any, name: str, enabled: bool) -> dict[str, Any]:  # noqa: FBT001 - the argument
        """Enable or disable a rule; return it as stored."""
        if name not in EVENT_RULES:
            return invalid("name", "EventRuleNotFound", f"There is no rule `{name}`: use {', '.join(EVENT_RULES)}.")
        put_setting(self._engine, EVENT_RULE + name, "on" if enabled else "off", info.context.who.name)
        return self.eventRule(info, name) or {}


class AllApiKeys(ApiKeys):
    """The API keys of all users; a mutation returns the arm of its error."""

    def revoke(self, info: Any, id: str) -> dict[str, Any]:  # type: ignore[override]  # a field has other arguments
        """Revoke an API key of any user."""
        return armed(info, lambda: ApiKeys.revoke(self, id))
