"""The catalog's SQL tables: users, tokens, sessions, locks and the search index. Packages live in S3 only."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import sqlalchemy as sa

from testbed.catalog import people

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.engine import Engine

SEEDED: Final = "seeded"
THREADS: Final = 40  # AnyIO's default limit of worker threads: each may hold a connection
WRITERS: Final = 20_180_920  # key of the advisory lock: arbitrary, the same in all processes
# Sort by code point: PostgreSQL would sort by the server's locale.
TEXT: Final = sa.String().with_variant(sa.String(collation="C"), "postgresql")
METADATA: Final = sa.MetaData()
users = sa.Table(
    "users",
    METADATA,
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("uuid", TEXT),
    sa.Column("email", TEXT, unique=True),
    sa.Column("role", TEXT),
    sa.Column("is_admin", sa.Boolean),
    sa.Column("is_service", sa.Boolean),
    sa.Column("is_active", sa.Boolean),
    sa.Column("joined", TEXT),
    sa.Column("last_login", TEXT),
)
extra_roles = sa.Table(
    "extra_roles",
    METADATA,
    sa.Column("user", TEXT, primary_key=True),
    sa.Column("role", TEXT, primary_key=True),
)
buckets = sa.Table(
    "buckets",
    METADATA,
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("config", sa.JSON),  # by the schema's field names
)
roles = sa.Table(
    "roles",
    METADATA,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("name", TEXT, unique=True),
    sa.Column("is_managed", sa.Boolean),
    sa.Column("arn", TEXT),  # empty: the account's own IAM role
)
policies = sa.Table(
    "policies",
    METADATA,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("title", TEXT, unique=True),
    sa.Column("arn", TEXT, nullable=True, unique=True),  # NULL: managed
)
permissions = sa.Table(
    "policy_permissions",
    METADATA,
    sa.Column("policy", TEXT, primary_key=True),
    sa.Column("bucket", TEXT, primary_key=True),
    sa.Column("level", TEXT),
)
attachments = sa.Table(
    "role_policies",
    METADATA,
    sa.Column("role", TEXT, primary_key=True),
    sa.Column("policy", TEXT, primary_key=True),
)
api_keys = sa.Table(
    "api_keys",
    METADATA,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("user", TEXT),
    sa.Column("name", TEXT),
    sa.Column("hash", TEXT, unique=True),
    sa.Column("created", sa.Float),
    sa.Column("expires", sa.Float),
    sa.Column("used", sa.Float, nullable=True),
)
revoked_api_keys = sa.Table("revoked_api_keys", METADATA, sa.Column("hash", TEXT, primary_key=True))
tabulator_tables = sa.Table(
    "tabulator_tables",
    METADATA,
    sa.Column("bucket", TEXT, primary_key=True),
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("config", TEXT),
)
settings = sa.Table(
    "settings",
    METADATA,
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("value", TEXT),
    sa.Column("author", TEXT),
    sa.Column("time", sa.Float),
)
mailbox = sa.Table(
    "mailbox",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("kind", TEXT),
    sa.Column("user", TEXT),
    sa.Column("email", TEXT),
    sa.Column("time", sa.Float),
)
refresh_tokens = sa.Table(
    "refresh_tokens",
    METADATA,
    sa.Column("hash", TEXT, primary_key=True),
    sa.Column("user", TEXT),
    sa.Column("ends", sa.Float, nullable=True),
)
sessions = sa.Table(
    "browsing_sessions",
    METADATA,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("user", TEXT),
    sa.Column("bucket", TEXT),
    sa.Column("name", TEXT),
    sa.Column("hash", TEXT),
    sa.Column("expires", sa.Float),
)
accesses = sa.Table(
    "accesses",
    METADATA,
    *(sa.Column(name, TEXT, primary_key=True) for name in ("day", "bucket", "key", "registry", "package", "hash")),
    sa.Column("count", sa.Integer),
)
index = sa.Table(
    "package_states",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("bucket", TEXT),
    sa.Column("name", TEXT),
    sa.Column("stamp", TEXT),  # empty: the package was deleted
    sa.Column("hash", TEXT),
    sa.Column("modified", TEXT),
    sa.Column("comment", TEXT),
    sa.Column("meta", TEXT),
    sa.Column("workflow", TEXT),
    sa.Column("size", sa.Float),
    sa.Column("entries", sa.Integer),
    sa.Column("written", sa.Float),
    sa.Index("package_states_by_name", "bucket", "name"),
)
locks = sa.Table(
    "package_locks",
    METADATA,
    sa.Column("bucket", TEXT, primary_key=True),
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("token", TEXT),
    sa.Column("process", sa.Integer),
    sa.Column("taken", sa.Float),
)


def extra_roles_of(connection: sa.Connection, user: str) -> tuple[str, ...]:
    """Return a user's roles besides the active one, in order of name."""
    query = sa.select(extra_roles.c.role).where(extra_roles.c.user == user).order_by(extra_roles.c.role)
    return tuple(connection.scalars(query))


def hold(connection: sa.Connection) -> None:
    """Take the database's write lock until the transaction ends.

    Rows that are read in the transaction cannot change before it writes.
    """
    if connection.dialect.name == "sqlite":
        connection.execute(users.update().where(sa.false()).values(name=""))  # takes the write lock, even without a row
    else:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(WRITERS)))


def open_database(where: Path | str) -> Engine:
    """Open or create a database, given a SQLite path or a URL.

    The first start inserts the declared users, buckets and roles. Later starts insert nothing.
    """
    engine = _engine_of(where)
    METADATA.create_all(engine)
    with engine.begin() as connection:
        hold(connection)
        # Only once: otherwise a restart would restore what an admin deleted.
        if connection.execute(sa.select(settings.c.name).where(settings.c.name == SEEDED)).first() is None:
            _seed(connection)
            connection.execute(settings.insert().values(name=SEEDED, value="", author="", time=time.time()))
    return engine


def _engine_of(where: Path | str) -> Engine:
    url = sa.make_url(where if isinstance(where, str) else f"sqlite:///{where}")
    if url.get_backend_name() != "sqlite":
        if url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        return sa.create_engine(url, pool_size=THREADS, pool_pre_ping=True)
    engine = sa.create_engine(url, connect_args={"timeout": 30})

    @sa.event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")  # an acknowledged write survives a kill

    return engine


def _seed(connection: sa.Connection) -> None:
    """Insert the declared users, buckets, roles and policies; users of an older database stay."""
    known = set(connection.scalars(sa.select(users.c.name)))
    for name, (email, role, is_admin, is_service) in people.USERS.items():
        if name not in known:
            row = {"name": name, "uuid": people.user_uuid(name), "email": email, "role": role, "is_admin": is_admin}
            times = {"joined": people.JOINED, "last_login": people.JOINED}
            connection.execute(users.insert().values(**row, **times, is_service=is_service, is_active=True))
    for name, (title, relevance) in people.BUCKETS.items():
        config = people.BUCKET_DEFAULTS | {"title": title, "relevanceScore": relevance}
        connection.execute(buckets.insert().values(name=name, config=config))
    for name, (reads, writes) in people.ROLES.items():
        is_managed = name not in people.UNMANAGED
        connection.execute(roles.insert().values(id=f"role-{name}", name=name, is_managed=is_managed, arn=""))
        if is_managed:
            connection.execute(policies.insert().values(id=f"policy-{name}", title=f"Buckets of {name}", arn=None))
            connection.execute(attachments.insert().values(role=f"role-{name}", policy=f"policy-{name}"))
            for bucket in sorted(reads):
                level = "READ_WRITE" if bucket in writes else "READ"
                connection.execute(permissions.insert().values(policy=f"policy-{name}", bucket=bucket, level=level))
