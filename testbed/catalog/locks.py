"""One writer per package, across threads and processes: a lock is a SQL row that its holder deletes.

A killed holder leaves its row. The next caller sees that its process is gone and deletes the row.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
import uuid
from typing import TYPE_CHECKING
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from testbed.catalog import database as db
from testbed.catalog.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Engine

WAIT_S: Final = 60.0
STEP_S: Final = 0.01
STALE_S: Final = 600.0  # no write takes so long: the process id was reused


class Locks:
    """Locks on packages, held while a package is checked and written."""

    def __init__(self, engine: Engine, wait_s: float = WAIT_S) -> None:
        self._engine = engine
        self._wait_s = wait_s

    @contextlib.contextmanager
    def held(self, bucket: str, name: str) -> Iterator[None]:
        """Wait for a package's lock and hold it in the block.

        Raise OperationError if another writer holds it for `wait_s` seconds.
        """
        token, ends = uuid.uuid4().hex, time.monotonic() + self._wait_s
        while not self._taken(bucket, name, token):
            if time.monotonic() > ends:
                raise OperationError("PackageLocked", f"The package `{name}` is being written by somebody else.")
            time.sleep(STEP_S)  # a poll with a deadline: SQL cannot notify us
        try:
            yield
        finally:
            with self._engine.begin() as connection:
                connection.execute(db.locks.delete().where(db.locks.c.token == token))

    def _taken(self, bucket: str, name: str, token: str) -> bool:
        row = {"bucket": bucket, "name": name, "token": token, "process": os.getpid(), "taken": time.time()}
        with contextlib.suppress(IntegrityError), self._engine.begin() as connection:
            connection.execute(db.locks.insert().values(**row))
            return True
        with self._engine.connect() as connection:
            same = (db.locks.c.bucket == bucket) & (db.locks.c.name == name)
            holder = connection.execute(sa.select(db.locks).where(same)).first()
        if holder and (_is_gone(holder.process) or holder.taken < time.time() - STALE_S):
            with self._engine.begin() as connection:
                connection.execute(db.locks.delete().where(db.locks.c.token == holder.token))
        return False


def _is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError as error:
        return error.errno == errno.ESRCH
    return False
