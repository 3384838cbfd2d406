"""Queries that show what each defect of users, roles and single sign-on changes."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING
from typing import Any

from tests.testbed.catalog.calling import token_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.testbed.catalog.calling import Calling

ROLE = "{ __typename ... on ManagedRole { name } ... on UnmanagedRole { name } }"
USER = f"{{ __typename ... on User {{ name email isActive isAdmin dateJoined role {ROLE} extraRoles {ROLE} }} }}"
CREATE = f"mutation C($i: UserInput!) {{ admin {{ user {{ create(input: $i) {USER} }} }} }}"
GET = f"query G($n: String!) {{ admin {{ user {{ get(name: $n) {USER} }} }} }}"
LIST = "{ admin { user { list { name dateJoined } } } }"
SET_SSO = "mutation S($c: String) { admin { setSsoConfig(config: $c) { __typename } } }"
APPEND = 'setRole(role: "analyst", extraRoles: ["editor"], append: true)'
CONFIG = 'default_role: viewer\nversion: "1.0"\nmappings: [{roles: [analyst], schema: {required: [team]}}]\n'


@dataclass(slots=True)
class Folk:
    """A maker of users that queries the catalog as an admin."""

    catalog: Calling
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def asked(self, query: str, **variables: Any) -> Any:
        """Send a document as an admin and return its `admin` field."""
        return self.catalog.data(query, variables, "test-admin")["admin"]

    def create(self, role: str = "user", name: str = "", **more: Any) -> Any:
        """Create a user and return the union member."""
        name = name or f"folk-{next(self.numbers)}"
        given = {"name": name, "email": f"{name}@test.com", "role": role} | more
        return self.asked(CREATE, i=given)["user"]["create"]

    def get(self, name: str) -> Any:
        """Return a user, or None if there is none."""
        return self.asked(GET, n=name)["user"]["get"]

    def names(self) -> list[str]:
        """Return the names of all users."""
        return [user["name"] for user in self.asked(LIST)["user"]["list"]]

    def changed(self, change: str, name: str = "", **made: Any) -> Any:
        """Change a new user, or the named one, and return it as read afterwards."""
        name = name or self.create(**made)["name"]
        query = f"mutation M($n: String!) {{ admin {{ user {{ mutate(name: $n) {{ {change} {{ __typename }} }} }} }} }}"
        answer = self.asked(query, n=name)["user"]["mutate"]
        return self.get(name) if answer else None

    def roles_after(self, change: str, **made: Any) -> tuple[str, list[str]]:
        """Change a user and return the names of its role and its extra roles."""
        user = self.changed(change, **made)
        return user["role"]["name"], [role["name"] for role in user["extraRoles"]]

    def twice(self) -> str:
        """Create a user whose name is taken and return the union member's type."""
        return str(self.create(name=self.create()["name"])["__typename"])

    def at_once(self) -> int:
        """Create two users concurrently and return how many of them exist."""
        with ThreadPoolExecutor(2) as pool:
            made = [user["name"] for user in pool.map(lambda _: self.create(), range(2))]
        return sum(self.get(name) is not None for name in made)

    def buckets_after_change(self) -> int:
        """Return how many buckets a viewer sees after a change of role to `user`."""
        name = self.create("viewer")["name"]
        authorization = token_of(self.catalog, name)
        for _ in range(2):
            found = self.catalog.data("{ bucketConfigs { name } }", user="", Authorization=authorization)
            self.changed('setRole(role: "user")', name)
        return len(found["bucketConfigs"])

    def letters(self) -> int:
        """Reset a user's password and return the number of mails to the user."""
        name = self.create()["name"]
        self.changed("resetPassword", name)
        return len(self.catalog.control("GET", f"mailbox?user={name}").json())

    def roles(self) -> list[Any]:
        """Return all roles."""
        return list(self.catalog.data(f"{{ roles {ROLE} }}", user="test-admin")["roles"])

    def configured(self, *texts: str | None) -> str | None:
        """Set SSO texts one after the other and return the text that is read afterwards."""
        for text in texts:
            self.asked(SET_SSO, c=text)
        found = self.asked("{ admin { ssoConfig { text } } }")["ssoConfig"]
        self.asked(SET_SSO, c=None)
        return found["text"] if found else None

    def exchanged(self) -> str:
        """Return the role that matching SSO claims lead to."""
        self.asked(SET_SSO, c=CONFIG)
        url = f"{self.catalog.registry}/api/sso/exchange"
        role = str(self.catalog.http.post(url, json={"claims": {"team": "x"}}).json()["role"])
        self.asked(SET_SSO, c=None)
        return role


Probe = tuple["Callable[[Folk], Any]", Any, Any]
PROBES: dict[str, Probe] = {
    "permissions-not-refreshed": (lambda f: f.buckets_after_change(), 6, 3),
    "users-list-drops-one": (lambda f: f.create(name=f"zz{next(f.numbers)}")["name"] in f.names(), True, False),
    "users-list-non-iso-dates": (
        lambda f: f.asked(LIST)["user"]["list"][0]["dateJoined"].isdecimal(),
        False,
        True,
    ),
    "users-get-wrong-user": (lambda f: f.get("test-user")["name"] == "test-user", True, False),
    "users-missing-as-blank": (lambda f: (f.get("nobody") or {}).get("email"), None, ""),
    "users-create-inactive": (lambda f: f.create()["isActive"], True, False),
    "users-create-ignores-role": (lambda f: f.create("editor")["role"]["name"], "editor", "viewer"),
    "users-create-overwrites": (lambda f: f.twice(), "InvalidInput", "User"),
    "users-create-loses-concurrent": (lambda f: f.at_once(), 2, 1),
    "users-set-email-not-stored": (
        lambda f: f.changed(f'setEmail(email: "new{next(f.numbers)}@test.com")')["email"][:3],
        "new",
        "fol",
    ),
    "users-set-admin-not-stored": (lambda f: f.changed("setAdmin(admin: true)")["isAdmin"], True, False),
    "users-set-active-not-stored": (lambda f: f.changed("setActive(active: false)")["isActive"], False, True),
    "users-delete-noop": (lambda f: f.changed("delete") is None, True, False),
    "users-delete-missing-ok": (
        lambda f: f.asked('mutation { admin { user { mutate(name: "nobody") { delete { __typename } } } } }')["user"],
        {"mutate": None},
        {"mutate": {"delete": {"__typename": "Ok"}}},
    ),
    "reset-password-noop": (lambda f: f.letters(), 1, 0),
    "roles-list-drops-one": (lambda f: "viewer" in [role["name"] for role in f.roles()], True, False),
    "roles-lose-type": (lambda f: {role["__typename"] for role in f.roles()} == {"UnmanagedRole"}, False, True),
    "roles-set-not-stored": (lambda f: f.roles_after('setRole(role: "editor")')[0], "editor", "user"),
    "roles-remove-noop": (
        lambda f: f.roles_after('removeRoles(roles: ["viewer"])', extraRoles=["viewer"])[1],
        [],
        ["viewer"],
    ),
    "roles-add-replaces": (
        lambda f: f.roles_after('addRoles(roles: ["editor"])', extraRoles=["viewer"])[1],
        ["editor", "viewer"],
        ["editor"],
    ),
    "roles-append-replaces": (
        lambda f: f.roles_after(APPEND, extraRoles=["viewer"])[1],
        ["editor", "viewer"],
        ["editor"],
    ),
    "roles-fallback-ignored": (
        lambda f: f.roles_after('removeRoles(roles: ["user"], fallback: "viewer")')[0],
        "viewer",
        "user",
    ),
    "sso-text-normalised": (lambda f: f.configured(CONFIG) == CONFIG, True, False),
    "sso-set-not-stored": (lambda f: f.configured(CONFIG) is None, False, True),
    "sso-remove-noop": (lambda f: f.configured(CONFIG, None) is None, True, False),
    "sso-mapping-ignored": (lambda f: f.exchanged(), "analyst", "viewer"),
    "sso-accepts-invalid-yaml": (lambda f: f.configured("- a"), None, "- a"),
}  # fmt: skip
