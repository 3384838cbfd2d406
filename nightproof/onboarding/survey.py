"""What the code of a suite says of itself, read and never imported."""

from __future__ import annotations

import ast
import os
import re
import warnings
from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING
from typing import Final
from urllib.parse import urlsplit

from nightproof.plan import source_files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Iterator
    from pathlib import Path

    from nightproof.onboarding.place import Place

# What tests ask their systems with; those of the second row leave no trace at the sockets of Python.
CLIENTS: Final = frozenset({
    "requests", "httpx", "aiohttp", "urllib", "urllib3", "http", "websockets", "websocket", "socket", "boto3",
    "botocore", "aiobotocore", "redis", "pymongo", "pymysql", "paramiko", "ftplib", "smtplib", "imaplib", "pika",
    "kafka", "elasticsearch", "paho", "tavern", "quilt3",
})  # fmt: skip
OUTSIDE: Final = frozenset({
    "psycopg", "psycopg2", "asyncpg", "grpc", "playwright", "selenium", "pycurl", "MySQLdb", "zmq",
})  # fmt: skip
ADDRESS: Final = re.compile(r"URL|URI|ENDPOINT")
NOT_WEB: Final = re.compile(
    r"DATABASE|DB|REDIS|AMQP|BROKER|POSTGRES|PG|MYSQL|MONGO|KAFKA|CELERY|WEBHOOK|PROXY|REDIRECT"
)
WEB: Final = re.compile(r"https?://[^\s{}<>%*]+")
IN_BODIES: Final = frozenset(
    {"pytest.skip", "pytest.xfail", "pytest.importorskip", "self.skipTest", "unittest.SkipTest"}
)


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable with an address that the code reads, and where; `is_required`: the code names no other value."""

    name: str
    where: str
    is_required: bool

    @property
    def is_web(self) -> bool:
        """Whether its name may stand for a web address."""
        return not NOT_WEB.search(self.name)


@dataclass(slots=True)
class Survey:
    """What was read in the source: clients by name, variables, literal web addresses, marks and calls."""

    modules: int = 0
    imports: set[str] = field(default_factory=set)
    variables: dict[str, Variable] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    limits: list[str] = field(default_factory=list)
    skips_in_bodies: int = 0

    @property
    def clients(self) -> tuple[str, ...]:
        """What the tests seem to ask with."""
        return tuple(sorted(self.imports & CLIENTS))

    @property
    def outside(self) -> tuple[str, ...]:
        """What of it is not seen at the sockets of Python."""
        return tuple(sorted(self.imports & OUTSIDE))


def survey(place: Place) -> Survey:
    """Read every module of a suite, and each conftest.py between it and its project's folder."""
    found = Survey()
    above = [folder / "conftest.py" for folder in place.suite.parents if folder.is_relative_to(place.root)]
    for path in (*source_files(place.suite), *(file for file in above if file.is_file())):
        if path.suffix == ".py":
            _read(path, os.path.relpath(path, place.root), found)
    if place.settings.file is not None:
        where = os.path.relpath(place.settings.file, place.root)
        for url in WEB.findall(place.settings.values.get("base_url", "")):
            found.origins.setdefault(origin(url), where)
        if limit := place.settings.values.get("timeout"):
            found.limits.append(f"{limit} s ({where})")
    return found


def origin(url: str) -> str:
    """Return scheme, host and port of a web address; a path, and who asks, are no part of a system's."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _read(path: Path, shown: str, found: Survey) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes and the like, which are the suite's own affair
            tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return  # pytest has its own words for it
    found.modules += 1
    texts = _docstrings(tree)
    for node in ast.walk(tree):
        found.imports.update(_imported(node))
        if variable := _variable(node, shown):
            known = found.variables.get(variable.name)
            if known is None or (variable.is_required and not known.is_required):
                found.variables[variable.name] = variable
        if isinstance(node, ast.Call):
            _note_call(node, shown, found)
        if path.name == "conftest.py" and isinstance(node, ast.Constant) and id(node) not in texts:
            _note_address(node, shown, found)


def _note_address(node: ast.Constant, shown: str, found: Survey) -> None:
    if isinstance(node.value, str) and WEB.fullmatch(node.value):
        found.origins.setdefault(origin(node.value), f"{shown}:{node.lineno}")


def _note_call(node: ast.Call, shown: str, found: Survey) -> None:
    name = _dotted(node.func)
    if name in IN_BODIES:
        found.skips_in_bodies += 1
    if name == "pytest.mark.timeout" and node.args:
        found.limits.append(f"{ast.unparse(node.args[0])} s ({shown}:{node.lineno})")


def _dotted(node: ast.AST) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join(reversed([*parts, node.id if isinstance(node, ast.Name) else ""]))


def _docstrings(tree: ast.AST) -> set[int]:
    """Return the ids of the nodes that are texts on their own: documentation, and nothing that a program uses."""
    return {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module.partition(".")[0]


def _variable(node: ast.AST, shown: str) -> Variable | None:
    """Return the variable that `environ["X"]`, `environ.get("X")` or `getenv("X")` reads, where it has an address."""
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and _names(node.value, ("environ",)):
        return _addressed(node.slice, f"{shown}:{node.lineno}", is_required=True)
    if isinstance(node, ast.Call) and node.args:
        is_get = (
            isinstance(node.func, ast.Attribute) and node.func.attr == "get" and _names(node.func.value, ("environ",))
        )
        if is_get or _names(node.func, ("getenv",)):
            has_other = len(node.args) > 1 or bool(node.keywords)
            return _addressed(node.args[0], f"{shown}:{node.lineno}", is_required=not has_other)
    return None


def _names(node: ast.AST, wanted: Iterable[str]) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name in wanted


def _addressed(node: ast.AST, where: str, *, is_required: bool) -> Variable | None:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or not ADDRESS.search(node.value):
        return None
    return Variable(node.value, where, is_required)
