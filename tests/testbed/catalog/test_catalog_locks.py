from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from typing import Any

import pytest
import sqlalchemy as sa

from testbed.catalog import database as db
from testbed.catalog.database import open_database
from testbed.catalog.errors import OperationError
from testbed.catalog.locks import Locks
from tests.testbed.catalog.another import Another
from tests.testbed.catalog.calling import PROMOTE
from tests.testbed.catalog.calling import WORK
from tests.testbed.catalog.calling import Calling

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOLD = """
import sys, time
from pathlib import Path
from testbed.catalog.database import open_database
from testbed.catalog.locks import Locks
with Locks(open_database(Path(sys.argv[1]))).held("bucket", "a/b"):
    print("held", flush=True)
    time.sleep(60)
"""
SESSION = "mutation Open($s: String!) { browsingSessionCreate(scope: $s) { ... on BrowsingSession { id } } }"


@pytest.fixture
def second(catalog: Calling) -> Iterator[tuple[Calling, subprocess.Popen[str]]]:
    """Start a second catalog over the same database and storage, and yield a caller of it and its process."""
    another = Another(catalog.target, catalog.target.state_dir / "testbed")
    process = another.start()
    assert process.stdout
    try:
        calling = Calling(another.target)
        yield calling, process
        calling.http.close()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def create(caller: Calling, name: str, uri: str, number: int) -> Any:
    """Create a package unless it exists, and return the union member."""
    only: dict[str, Any] = {"headers": {"if_none_match": "*"}, "message": str(number)}
    return caller.construct(name, {"a": uri}, **only)


def test_two_processes_create_a_package_once(catalog: Calling, second: tuple[Calling, subprocess.Popen[str]]) -> None:
    """Of concurrent creations in two catalogs over one database, exactly one succeeds."""
    callers, uri = (catalog, second[0]), catalog.put_object("locks/two", b"1")
    for caller in callers:
        caller.token("test-user")
    for attempt in range(3):
        name = f"locks/two-{attempt}"
        with ThreadPoolExecutor(6) as pool:
            arms = list(pool.map(lambda n, name=name: create(callers[n % 2], name, uri, n), range(6)))
        kinds = sorted(arm["__typename"] for arm in arms)
        assert kinds == ["InvalidInput"] * 5 + ["PackagePushSuccess"]


def test_what_was_acknowledged_survives_a_kill(catalog: Calling, second: tuple[Calling, subprocess.Popen[str]]) -> None:
    """A package, a browsing session and a refresh token survive the process that returned them."""
    caller, process = second
    top_hash = caller.package("locks/survivor", {"a.txt": b"here"})
    scope = f"s3://{WORK}#package=locks/survivor&hash={top_hash}"
    session = caller.data(SESSION, {"s": scope})["browsingSessionCreate"]["id"]
    fresh = caller.sign_in(catalog.issued("test-user")).json()["refresh_token"]
    process.kill()
    process.wait()
    assert catalog.sign_in(fresh).status_code == 200
    assert catalog.get(f"/browse/{session}/a.txt").status_code == 302
    found = catalog.data(
        '{ package(bucket: "quilt-mcp-test-work", name: "locks/survivor") { revision { hash contentsFlatMap } } }'
    )["package"]["revision"]
    assert (found["hash"], list(found["contentsFlatMap"])) == (top_hash, ["a.txt"])
    assert catalog.sql("SELECT count(*) FROM package_locks") == [(0,)]


def test_revisions_of_one_second_are_all_kept(catalog: Calling) -> None:
    """Concurrent constructs and promotions of a package each leave a pointer, and `latest` is one of them."""
    uri = catalog.put_object("locks/many", b"1")
    first = catalog.package("locks/many", {"a": b"0"})

    def write(number: int) -> str:
        if number % 2:
            arm = catalog.construct("locks/many", {"a": uri}, message=str(number))
        else:
            params = {"bucket": WORK, "name": "locks/many", "message": str(number)}
            source = {"bucket": WORK, "name": "locks/many", "hash": first}
            arm = catalog.data(PROMOTE, {"params": params, "src": source})["packagePromote"]
        return str(arm["revision"]["hash"])

    with ThreadPoolExecutor(6) as pool:
        hashes = set(pool.map(write, range(6)))
    prefix = ".quilt/named_packages/locks/many/"
    keys = [item["Key"] for item in catalog.s3.list_objects_v2(Bucket=WORK, Prefix=prefix)["Contents"]]
    bodies = {key: catalog.s3.get_object(Bucket=WORK, Key=key)["Body"].read().decode() for key in keys}
    assert bodies.pop(f"{prefix}latest") in hashes
    assert sorted(bodies.values()) == sorted({first, *hashes})


def test_a_lock_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    """The lock of a killed process is taken over at once. A living holder keeps others out."""
    path = tmp_path / "catalog.sqlite"
    locks = Locks(open_database(path), wait_s=0.2)
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(OperationError, match="written by somebody else"), locks.held("bucket", "a/b"):
            pytest.fail("two hold one lock")
        with locks.held("bucket", "a/c"), locks.held("other", "a/b"):
            pass
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    with locks.held("bucket", "a/b"):
        pass


def test_a_lock_that_nobody_can_still_need_is_taken_over(tmp_path: Path) -> None:
    """A lock older than 600 s is taken over, because its process id may belong to another process by then."""
    engine = open_database(tmp_path / "catalog.sqlite")
    row = {"bucket": "b", "name": "a/b", "token": "old", "process": os.getppid(), "taken": time.time() - 601}
    with engine.begin() as connection:
        connection.execute(db.locks.insert().values(**row))
    with Locks(engine, wait_s=5).held("b", "a/b"), engine.connect() as connection:
        assert [held.process for held in connection.execute(sa.select(db.locks))] == [os.getpid()]


def test_threads_hold_a_package_one_after_the_other(tmp_path: Path) -> None:
    """Threads hold a package's lock one at a time, and an error releases it."""
    locks, inside, seen = Locks(open_database(tmp_path / "catalog.sqlite")), threading.Semaphore(1), []

    def enter(number: int) -> None:
        with locks.held("b", "a/b"):
            seen.append(inside.acquire(blocking=False))
            time.sleep(0.002)
            inside.release()
            if number == 0:
                raise OperationError("RevisionConflict", "on purpose")

    with ThreadPoolExecutor(8) as pool:
        ended = [pool.submit(enter, number) for number in range(8)]
    assert [type(future.exception()).__name__ for future in ended] == ["OperationError"] + ["NoneType"] * 7
    assert seen == [True] * 8
