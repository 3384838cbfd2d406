"""API keys of all users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nightproof.quilt import admin_calls as calls
from nightproof.quilt.admin_group import Group
from nightproof.quilt.admin_shapes import key_of

if TYPE_CHECKING:
    from nightproof.quilt.admin_records import API_Key

STATUSES = ("ACTIVE", "EXPIRED")


class Keys(Group):
    """API keys."""

    def list_api_keys(
        self,
        email: str | None = None,
        name: str | None = None,
        fingerprint: str | None = None,
        status: str | None = None,
    ) -> list[API_Key]:
        """List the keys that match every filter, the oldest first."""
        rules = self._rules("list_api_keys")
        for field, value in (("email", email), ("name", name), ("fingerprint", fingerprint)):
            if value is not None:
                rules.text(value, field)
        if status is not None and status not in STATUSES:
            rules.refuse("status", status, "ACTIVE or EXPIRED")
        asked = {"email": email, "key_name": name, "fingerprint": fingerprint, "status": status}
        return sorted(map(key_of, self._do("list_api_keys", calls.LIST_KEYS, **asked)), key=lambda key: key.created_at)

    def get_api_key(self, key_id: str) -> API_Key:
        """Return one key, or raise NotFoundError; the registry answers null for an unknown id."""
        self._rules("get_api_key").text(key_id, "key_id")
        found = self._do("get_api_key", calls.GET_KEY, id=key_id)
        if found is None:
            raise self._ops.not_found("admin.get_api_key", "api_key", key_id, "catalog")
        return key_of(found)

    def revoke_api_key(self, key_id: str) -> None:
        """Revoke a key."""
        self._rules("revoke_api_key").text(key_id, "key_id")
        self._do("revoke_api_key", calls.REVOKE_KEY, id=key_id)
