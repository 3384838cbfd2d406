"""Fixtures of the conformance suite: both backends signed in on one testbed, and packages that both read."""

from __future__ import annotations

import importlib
import itertools
import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from urllib.parse import quote

import httpx
import pytest

from nightproof.quilt import Credentials
from nightproof.quilt import create_quilt_ops
from nightproof.quilt.records import Timeouts
from tests.nightproof.quilt.rubbish import serve_rubbish

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from pathlib import Path

    from types_boto3_s3 import S3Client

    from nightproof.quilt import QuiltOps
    from nightproof.quilt.admin_contract import AdminOps
    from nightproof.quilt.contract import Entries
    from nightproof.target import Target
    from tests.nightproof.quilt.rubbish import Rubbish

BACKENDS: Final = ("quilt3", "platform")
WORK: Final = "quilt-mcp-test-work"
UNIQUE: Final = "conform-"
SCRATCH: Final = "quilt-mcp-test-scratch"
PRIVATE: Final = "quilt-mcp-test-private"
REGISTRY: Final = f"s3://{WORK}"
SOURCES: Final = {
    "conform/hello.txt": b"hello",
    "conform/world.txt": b"world!",
    "conform/empty.txt": b"",
    "conform/Gr\u00fc\u00dfe + 100%#1.txt": b"hallo",
}
FIRST_SECOND: Final = 1_700_000_000  # the time in the name of the first pointer of `conform/versions`


@dataclass(frozen=True)
class World:
    """The testbed, a home for quilt3, the environment of clients, and a factory of instances."""

    target: Target
    home: Path

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Set the environment of a cell until the block ends, quilt3's folders included."""
        keys = self.target.facts["credentials"]["ci-runner"]
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {
                "AWS_ENDPOINT_URL": self.target.aws_url,
                "AWS_ACCESS_KEY_ID": keys["access_key_id"],
                "AWS_SECRET_ACCESS_KEY": keys["secret_access_key"],
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_EC2_METADATA_DISABLED": "true",
                "QUILT_DISABLE_USAGE_METRICS": "1",
                "QUILT_MINIMIZE_STDOUT": "true",
            }.items():
                patch.setenv(name, value)
            self._move_quilt3(patch)
            yield

    def _move_quilt3(self, patch: pytest.MonkeyPatch) -> None:
        """Point quilt3's modules at our folder, because quilt3 fixes its paths at import."""
        paths = {
            "BASE_PATH": self.home,
            "AUTH_PATH": self.home / "auth.json",
            "CREDENTIALS_PATH": self.home / "credentials.json",
            "CONFIG_PATH": self.home / "config.yml",
            "CACHE_PATH": self.home / "cache",
            "TEMPFILE_DIR_PATH": self.home / "tempfiles",
        }
        for module in ("util", "session", "api", "packages"):
            loaded = importlib.import_module(f"quilt3.{module}")
            for name in paths.keys() & vars(loaded).keys():
                patch.setattr(loaded, name, paths[name])

    def make(self, backend: str, user: str = "test-user", **more: Any) -> QuiltOps:
        """Return an instance for a user, signed in by refresh token unless credentials are given."""
        known: dict[str, Any] = {
            "catalog_url": self.target.catalog_url,
            "registry": "s3://quilt-mcp-test-packages",
            "credentials": self.target.credentials(user),
            "timeouts": Timeouts(),
        }
        return create_quilt_ops(backend, **(known | more))

    def fault(self, name: str, parameters: dict[str, Any] | None, service: str = "catalog") -> None:
        """Turn one of the testbed's faults on, or off if there are no parameters."""
        url = f"{self.target.facts['services'][service]['url']}/_nightproof/faults/{name}"
        headers = {"Authorization": f"Bearer {self.target.facts['control_token']}"}
        content = None if parameters is None else json.dumps(parameters)
        method = "DELETE" if parameters is None else "PUT"
        httpx.request(method, url, headers=headers, content=content, timeout=10).raise_for_status()

    @contextmanager
    def slow_writes(self, backend: str, seconds: float) -> Iterator[None]:
        """Delay the test user's writes on a backend by `seconds` until the block ends."""
        service, operation = {"platform": ("catalog", "construct"), "quilt3": ("aws", "PutObject")}[backend]
        self.fault("latency", {"operation": operation, "user": "test-user", "seconds": seconds}, service)
        try:
            yield
        finally:
            self.fault("latency", None, service)


@pytest.fixture(scope="session")
def world(embedded: Target, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return the testbed with a folder for quilt3."""
    return World(embedded, tmp_path_factory.mktemp("quilt3"))


@pytest.fixture(autouse=True)
def _environment(world: World) -> Iterator[None]:
    """Run every test in the environment of a cell."""
    with world.entered():
        yield


@pytest.fixture(scope="session")
def s3(embedded: Target) -> S3Client:
    """Return a client that may write everywhere, independent of the code under test."""
    return embedded.seeder_s3()


@pytest.fixture(scope="session")
def sources(s3: S3Client) -> dict[str, str]:
    """Store the objects that packages are made of; return their addresses by file name."""
    for key, body in SOURCES.items():
        s3.put_object(Bucket=WORK, Key=key, Body=body)
    s3.put_object(Bucket=SCRATCH, Key="conform/unversioned.txt", Body=b"unversioned")
    found = {key.rsplit("/", 1)[-1]: f"s3://{WORK}/{quote(key)}" for key in SOURCES}
    return found | {"unversioned.txt": f"s3://{SCRATCH}/conform/unversioned.txt"}


@pytest.fixture(scope="session")
def instances(world: World) -> dict[str, QuiltOps]:
    """Return both backends, signed in as the test user."""
    with world.entered():
        return {backend: world.make(backend) for backend in BACKENDS}


@pytest.fixture(scope="session")
def governors(world: World) -> dict[str, QuiltOps]:
    """Return both backends, signed in as the admin."""
    with world.entered():
        return {backend: world.make(backend, "test-admin") for backend in BACKENDS}


@pytest.fixture
def governor(backend: str, governors: dict[str, QuiltOps]) -> QuiltOps:
    """Return the backend under test, signed in as the admin."""
    return governors[backend]


@pytest.fixture
def admins(governors: dict[str, QuiltOps]) -> dict[str, AdminOps]:
    """Return the admin's operations on both backends."""
    return {backend: ops.admin for backend, ops in governors.items()}


@pytest.fixture
def admin(backend: str, admins: dict[str, AdminOps]) -> AdminOps:
    """Return the admin's operations on the backend under test."""
    return admins[backend]


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return itertools.count()


@pytest.fixture
def unique(_numbers: Iterator[int], governors: dict[str, QuiltOps]) -> Iterator[Callable[[], str]]:
    """Yield a function that makes names nobody has; users and tables that carry them go with the test."""
    yield lambda: f"{UNIQUE}{next(_numbers)}"
    ops = governors["platform"]
    for user in ops.admin.list_users():
        if user.name.startswith(UNIQUE):
            ops.admin.delete_user(user.name)
    for table in ops.list_tabulator_tables(WORK):
        if table["name"].startswith(UNIQUE):
            ops.delete_tabulator_table(WORK, table["name"])


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Return the name of the backend under test."""
    return str(request.param)


@pytest.fixture
def ops(backend: str, instances: dict[str, QuiltOps]) -> QuiltOps:
    """Return the backend under test, signed in as the test user."""
    return instances[backend]


@pytest.fixture(scope="session")
def tree(world: World, instances: dict[str, QuiltOps], sources: dict[str, str]) -> str:
    """Create a package with directories, user metadata and awkward names; return its name."""
    entries: Entries = [
        {"logical_key": "data/raw/a.txt", "physical_key": sources["hello.txt"], "meta": {"k": 1}},
        {"logical_key": "data/b.txt", "physical_key": sources["world.txt"]},
        {"logical_key": "empty.txt", "physical_key": sources["empty.txt"]},
        {"logical_key": "B.txt", "physical_key": sources["unversioned.txt"]},
        {"logical_key": "zz/Gr\u00fc\u00dfe + 100%#1.txt", "physical_key": sources["Gr\u00fc\u00dfe + 100%#1.txt"]},
    ]
    metadata = {"description": "five files", "tags": ["t1", "t2"], "nested": {"a": [1, None]}}
    with world.entered():
        instances["platform"].create_package_revision(
            "conform/tree", REGISTRY, entries, message="five", metadata=metadata
        )
    return "conform/tree"


@dataclass(frozen=True)
class Versions:
    """A package of two revisions, the first one long ago."""

    name: str
    first: str
    second: str


@pytest.fixture(scope="session")
def versions(world: World, s3: S3Client, instances: dict[str, QuiltOps], sources: dict[str, str]) -> Versions:
    """Create a package whose first revision is dated by its pointer's name, not by the pointer's age."""
    name, ops = "conform/versions", instances["platform"]
    kept = {"logical_key": "kept.txt", "physical_key": sources["hello.txt"]}
    changed = {"logical_key": "changed.txt", "physical_key": sources["hello.txt"]}
    removed = {"logical_key": "removed.txt", "physical_key": sources["empty.txt"]}
    added = {"logical_key": "added.txt", "physical_key": sources["empty.txt"]}
    with world.entered():
        first = ops.create_package_revision(name, REGISTRY, [kept, changed, removed], message="first").top_hash
        _date_back(s3, name, first)
        altered = changed | {"physical_key": sources["world.txt"]}
        second = ops.update_package_revision(name, REGISTRY, [kept, altered, added], message="second").top_hash
    return Versions(name, first, second)


def _date_back(s3: S3Client, name: str, top_hash: str) -> None:
    """Rename the only dated pointer of a package to FIRST_SECOND."""
    prefix = f".quilt/named_packages/{name}/"
    for item in s3.list_objects_v2(Bucket=WORK, Prefix=prefix)["Contents"]:
        if item["Key"].rsplit("/", 1)[-1].isdigit():
            s3.delete_object(Bucket=WORK, Key=item["Key"])
    s3.put_object(Bucket=WORK, Key=f"{prefix}{FIRST_SECOND}", Body=top_hash.encode())


@pytest.fixture
def fault(world: World) -> Iterator[Callable[..., None]]:
    """Yield a function that turns a fault of the catalog on until the test ends."""
    names: list[str] = []

    def turn_on(name: str, **parameters: Any) -> None:
        names.append(name)
        world.fault(name, parameters)

    yield turn_on
    for name in names:
        world.fault(name, None)


@pytest.fixture(scope="session")
def rubbish() -> Iterator[Rubbish]:
    """Serve arbitrary answers in place of a catalog."""
    with serve_rubbish() as server:
        yield server


@pytest.fixture
def on_rubbish(rubbish: Rubbish, monkeypatch: pytest.MonkeyPatch) -> Callable[..., QuiltOps]:
    """Return a function that makes a new instance on the rubbish server, S3 included."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", rubbish.url)

    def build(backend: str, **more: Any) -> QuiltOps:
        known: dict[str, Any] = {
            "catalog_url": rubbish.url,
            "registry": "s3://some-bucket",
            "credentials": Credentials(refresh_token="refresh"),
            "timeouts": Timeouts(s3_attempts=1),
        }
        return create_quilt_ops(backend, **(known | more))

    return build
