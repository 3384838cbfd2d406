"""Users of a test: named after the run, in the ledger before they exist, deleted at its end."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from suites._support.removal import remove_all
from suites._support.tokens import claims_of
from suites._support.tokens import sign

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightproof import quilt
    from nightproof.quilt.admin_records import User
    from suites._support.settings import Settings
    from suites._support.work import Ledger

LIFE_S = 600


class People:
    """Creates users for one test, signs them in, and deletes them."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        admin: quilt.AdminOps,
        make_ops: Callable[..., quilt.QuiltOps],
        target: Settings,
        label: str,
        test_id: str,
    ) -> None:
        self._ledger = ledger
        self._admin = admin
        self._make_ops = make_ops
        self._target = target
        self._label = label
        self._test_id = test_id
        self._made: dict[str, str] = {}

    def name(self, short: str) -> str:
        """Return a new user's name, already in the ledger."""
        name = f"np-{self._ledger.tag}-{short}-{self._label}-{len(self._made)}"
        self._made[name] = self._ledger.intent("user", {"name": name}, self._test_id)
        return name

    def create(self, short: str, role: str = "user", extra_roles: list[str] | None = None) -> User:
        """Create a user under a new name."""
        name = self.name(short)
        made = self._admin.create_user(name, f"{name}@example.org", role, extra_roles)
        self._ledger.confirmed(self._made[name])
        return made

    def sign_in(self, name: str, *, lives_s: float = LIFE_S) -> quilt.QuiltOps:
        """Return a client that is signed in with a token issued here for the user; it lives `lives_s` seconds."""
        token = sign(claims_of(name, lives_s=lives_s), self._target.jwt_secret())
        return self._make_ops({"access_token": token})

    def remove(self) -> None:
        """Delete the users that still exist and check that none is left."""
        remove_all(partial(self._remove, *made) for made in self._made.items())

    def _remove(self, name: str, resource: str) -> None:
        if name in self._present():
            self._admin.delete_user(name)
        if name in self._present():
            raise RuntimeError(f"The user `{name}` is still there after its removal.")
        self._ledger.deleted(resource)

    def _present(self) -> set[str]:
        return {user.name for user in self._admin.list_users()}
