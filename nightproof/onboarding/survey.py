"""A survey of a suite's source code, which is parsed and never imported."""

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

# Client libraries of tests; the traffic of those in OUTSIDE bypasses Python's sockets.
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
    """An environment variable with an address, and where the code reads it; `is_required`: the code has no default."""

    name: str
    where: str
    is_required: bool

    @property
    def is_web(self) -> bool:
        """Return whether its name may stand for a web address."""
        return not NOT_WEB.search(self.name)


@dataclass(slots=True)
class Survey:
    """Findings in the source: modules, imports, variables, literal web addresses, time limits and skips in bodies."""

    modules: int = 0
    imports: set[str] = field(default_factory=set)
    variables: dict[str, Variable] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    limits: list[str] = field(default_factory=list)
    skips_in_bodies: int = 0

    @property
    def clients(self) -> tuple[str, ...]:
        """The imported client libraries whose traffic passes Python's sockets."""
        return tuple(sorted(self.imports & CLIENTS))

    @property
    def outside(self) -> tuple[str, ...]:
        """The imported client libraries whose traffic bypasses Python's sockets."""
        return tuple(sorted(self.imports & OUTSIDE))


def survey(place: Place) -> Survey:
    """Parse every module of a suite, and each conftest.py from its folder up to its project's."""
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
    """Return scheme, host and port of a web address, without user, password and path."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _read(path: Path, shown: str, found: Survey) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # syntax warnings are the suite's own affair
            tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return  # pytest reports it itself
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
    """Return the ids of all nodes that are bare expressions, such as docstrings: the program uses none of them."""
    return {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module.partition(".")[0]


def _variable(node: ast.AST, shown: str) -> Variable | None:
    """Return the variable that `environ["X"]`, `environ.get("X")` or `getenv("X")` reads if it names an address."""
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
