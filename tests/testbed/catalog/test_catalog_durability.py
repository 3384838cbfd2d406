"""Acknowledged changes survive kill -9, exactly once: random changes of roles, users and tables by several threads."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from typing import Any

import httpx
import pytest

from tests.testbed.catalog.another import Another
from tests.testbed.catalog.calling import WORK
from tests.testbed.catalog.calling import Calling

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

THREADS = 8
MUTATIONS = 30
KILLS = 2
ROLES = ("viewer", "user", "editor", "analyst")
CONFIG = "schema: [{name: %s, type: INT}]\nsource: {type: quilt-packages, package_name: x, logical_key: y}\n"
CONFIG += "parser: {format: csv}\n"
ROLE = "... on ManagedRole { id name } ... on UnmanagedRole { id name }"
FOUND = "{ roles { __typename " + ROLE + " } admin { user { list { name role { __typename " + ROLE + " } } } }"
FOUND += ' bucketConfig(name: "quilt-mcp-test-work") { tabulatorTables { name config } } }'
CREATE_ROLE = "mutation($n: String!) { done: roleCreateManaged(input: {name: $n, policies: []}) { __typename"
CREATE_ROLE += " ... on RoleCreateSuccess { role { " + ROLE + " } } } }"
DELETE_ROLE = "mutation($i: ID!) { done: roleDelete(id: $i) { __typename } }"
CREATE_USER = "mutation($n: String!, $e: String!, $r: String!) { admin { user {"
CREATE_USER += " done: create(input: {name: $n, email: $e, role: $r}) { __typename } } } }"
SET_ROLE = "mutation($n: String!, $r: String!) { admin { user { mutate(name: $n) { done: setRole(role: $r)"
SET_ROLE += " { __typename } } } } }"
DELETE_USER = "mutation($n: String!) { admin { user { mutate(name: $n) { done: delete { __typename } } } } }"
SET_TABLE = "mutation($b: String!, $n: String!, $c: String) {"
SET_TABLE += " done: bucketSetTabulatorTable(bucketName: $b, tableName: $n, config: $c) { __typename } }"


class Killed:
    """A catalog with its own database that is killed and restarted at the same address."""

    def __init__(self, catalog: Calling, state: Path, database: str = "") -> None:
        self._another = Another(catalog.target, state, database)
        self.calling = Calling(self._another.target, tokens=catalog.tokens)
        self.start()

    def start(self) -> None:
        """Start the catalog and wait until it is ready."""
        self.process = self._another.start()

    def kill(self) -> None:
        """Send SIGKILL to the catalog."""
        os.kill(self.process.pid, signal.SIGKILL)

    def gone(self) -> None:
        """Wait until the process has ended."""
        self.process.wait(timeout=30)
        assert self.process.stdout
        self.process.stdout.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def killed(catalog: Calling, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Killed]:
    """Yield a catalog to be killed, with a SQLite and with a PostgreSQL database."""
    catalog.token("test-admin")
    database = request.getfixturevalue("new_database") if request.param == "postgresql" else ""
    made = Killed(catalog, tmp_path, database)
    yield made
    made.kill()
    made.gone()
    made.calling.http.close()


class Work:
    """Random changes, with the values that each may have left: one if it was acknowledged, two if not."""

    def __init__(self, killed: Killed, number: int) -> None:
        self._killed = killed
        self._random = random.Random(number)
        self._left = MUTATIONS
        self._until_kill = self._random.randrange(5, MUTATIONS - THREADS)
        self._lock = threading.Lock()
        self.number = number
        self.allowed: dict[tuple[str, str], set[Any]] = {}
        self.acknowledged = 0

    def run(self) -> None:
        """Run the changes from all threads until all are sent or the catalog is gone."""
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(self._thread, range(THREADS)))

    def _thread(self, thread: int) -> None:
        chance, ids = random.Random(self.number * THREADS + thread), dict[str, str]()
        for step in range(MUTATIONS):
            with self._lock:
                self._left -= 1
                if self._left < 0:
                    return
            kind, slot = chance.choice(("role", "user", "table")), chance.randrange(2)
            name = f"d{self.number}-{thread}-{slot}"
            if not self._changed(kind, name, chance, ids, step):
                return

    def _changed(self, kind: str, name: str, chance: random.Random, ids: dict[str, str], step: int) -> bool:
        """Make one change and return whether the catalog acknowledged it."""
        (before,) = self.allowed.get((kind, name), {None})
        query, variables, after = _change(kind, name, before, chance, ids, step)
        self.allowed[kind, name] = {before, after}
        try:
            answer = self._killed.calling.data(query, variables, "test-admin")
        except httpx.TransportError:
            return False
        done = _done(answer)
        assert done["__typename"] not in {"InvalidInput", "OperationError"}, (query, variables, answer)
        if "role" in done:
            ids[name] = done["role"]["id"]
        self.allowed[kind, name] = {after}
        with self._lock:
            self.acknowledged += 1
            if self.acknowledged == self._until_kill:
                self._killed.kill()
        return True


def _change(
    kind: str, name: str, before: Any, chance: random.Random, ids: dict[str, str], step: int
) -> tuple[str, dict[str, Any], Any]:
    """Return document, variables and the value afterwards, which is None after a deletion."""
    goes = before is not None and chance.random() < 0.4
    if kind == "table":
        after = None if goes else CONFIG % f"c{step}"
        return SET_TABLE, {"b": WORK, "n": name, "c": after}, after
    if kind == "role":
        return (CREATE_ROLE, {"n": name}, True) if before is None else (DELETE_ROLE, {"i": ids[name]}, None)
    role = chance.choice(ROLES)
    if before is None:
        return CREATE_USER, {"n": name, "e": f"{name}@test.com", "r": role}, role
    return (DELETE_USER, {"n": name}, None) if goes else (SET_ROLE, {"n": name, "r": role}, role)


def _done(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the value of the nested field `done`."""
    while "done" not in answer:
        (answer,) = answer.values()
    done: dict[str, Any] = answer["done"]
    return done


def found_in(calling: Calling) -> list[tuple[tuple[str, str], Any]]:
    """Return every role, user and table with its value."""
    answer = calling.data(FOUND, user="test-admin")
    roles = [(("role", role["name"]), True) for role in answer["roles"]]
    users = [(("user", user["name"]), user["role"]["name"]) for user in answer["admin"]["user"]["list"]]
    tables = answer["bucketConfig"]["tabulatorTables"]
    return [*roles, *users, *((("table", table["name"]), table["config"]) for table in tables)]


def test_every_acknowledged_change_outlives_a_kill_and_is_there_once(killed: Killed) -> None:
    """Every acknowledged change survives a kill exactly once.

    Eight threads make random changes, and the catalog is killed twice.
    """
    everything: dict[tuple[str, str], set[Any]] = {}
    declared = {what for what, _ in found_in(killed.calling)}
    for number in range(KILLS):
        work = Work(killed, number)
        work.run()
        killed.gone()
        assert 5 <= work.acknowledged < MUTATIONS
        everything |= work.allowed
        killed.start()
        found = found_in(killed.calling)
        assert max(Counter(what for what, _ in found).values()) == 1
        assert declared <= {what for what, _ in found} <= declared | everything.keys()
        by_name = dict(found)
        wrong = {what: by_name.get(what) for what, may in everything.items() if by_name.get(what) not in may}
        assert wrong == {}
        everything = {what: {by_name.get(what)} for what in everything}


def test_what_an_admin_deleted_stays_deleted_after_a_start(killed: Killed) -> None:
    """A declared user, role, policy or bucket that was deleted does not come back at the next start."""
    query = 'mutation { admin { user { mutate(name: "test-service") { done: delete { __typename } } } }'
    query += ' roleDelete(id: "role-analyst") { __typename } policyDelete(id: "policy-analyst") { __typename }'
    query += ' bucketRemove(name: "quilt-mcp-test-west") { __typename } }'
    look = '{ admin { user { get(name: "test-service") { name } } } role(id: "role-analyst") { __typename }'
    look += ' policy(id: "policy-analyst") { id } bucketConfig(name: "quilt-mcp-test-west") { name } }'
    gone = {"admin": {"user": {"get": None}}, "role": None, "policy": None, "bucketConfig": None}
    assert killed.calling.data(look, user="test-admin") != gone
    killed.calling.data(query, user="test-admin")
    assert killed.calling.data(look, user="test-admin") == gone
    killed.kill()
    killed.gone()
    killed.start()
    assert killed.calling.data(look, user="test-admin") == gone


@pytest.mark.parametrize("killed", ["sqlite"], indirect=True)
def test_a_revoked_token_stays_revoked_after_a_kill(killed: Killed) -> None:
    """An acknowledged revocation survives a kill, and so does its end."""
    token = killed.calling.forged(jti="outlives")

    def asked() -> int:
        return killed.calling.post("{ me { name } }", user="", Authorization=f"Bearer {token}").status_code

    def restarted() -> None:
        killed.kill()
        killed.gone()
        killed.start()

    assert asked() == 200
    assert killed.calling.control("PUT", "faults/revoke-token", {"token": token}).status_code == 200
    restarted()
    assert asked() == 401
    assert killed.calling.control("DELETE", "faults/revoke-token").status_code == 200
    restarted()
    assert asked() == 200
