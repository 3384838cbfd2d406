"""The allowed imports between the rooms, checked in the source."""

from __future__ import annotations

import ast
from graphlib import CycleError
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.architecture.parsed import parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("architecture")  # each file is parsed once
ROOT = Path(__file__).parents[2]
ROOMS = ("deployments", "flows", "tasks", "nightproof", "suites", "testbed", "tests", "docs", "bench")
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "deployments": ("deployments", "flows", "nightproof"),
    "flows": ("flows", "tasks", "nightproof"),
    "tasks": ("tasks", "nightproof"),
    "nightproof": ("nightproof",),
    "suites": ("suites", "nightproof.quilt", "nightproof.assistant", "nightproof.evidence"),
    "testbed": ("testbed",),
}
MAY_USE_PREFECT = ("deployments", "flows", "tasks")


def sources(room: str) -> list[Path]:
    """Return the Python files of a room."""
    return sorted((ROOT / room).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Yield the full name of everything a file imports, at any depth."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield from (f"{base}.{alias.name}" for alias in node.names)


def is_inside(name: str, packages: tuple[str, ...]) -> bool:
    """Return whether a name is one of the packages or lies inside one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_a_room_imports_only_what_its_arrow_allows(room: str) -> None:
    """No file imports a room that its own room may not import."""
    forbidden = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources(room)
        for name in imported(path)
        if is_inside(name, ROOMS) and not is_inside(name, MAY_IMPORT[room])
    ]
    assert forbidden == []


def graph_of(folder: Path, root: Path) -> dict[str, set[str]]:
    """Return which modules of a folder each of its modules imports, by full names from the root."""
    files = {".".join(path.relative_to(root).with_suffix("").parts): path for path in folder.rglob("*.py")}
    modules = {name.removesuffix(".__init__"): path for name, path in files.items()}
    found = {
        name: {one if one in modules else one.rpartition(".")[0] for one in imported(path)}
        for name, path in modules.items()
    }
    return {name: (names & modules.keys()) - {name} for name, names in found.items()}


def circle_in(graph: dict[str, set[str]]) -> list[str]:
    """Return the modules of one circle of imports, the first one again at the end, or an empty list."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "docs"])
def test_no_file_is_in_a_circle_of_imports(room: str) -> None:
    """Each file can be read after those that it imports; cut a circle with a Protocol or by moving the shared part."""
    assert " <- ".join(circle_in(graph_of(ROOT / room, ROOT))) == ""


@pytest.mark.parametrize(
    ("last", "expected"), [("import json\n", set()), ("import shop.a\n", {"shop.a", "shop.b", "shop.c"})]
)
def test_a_circle_of_imports_is_found(tmp_path: Path, last: str, expected: set[str]) -> None:
    """Imports for types, of members and inside functions count as any other."""
    room = tmp_path / "shop"
    room.mkdir()
    (room / "a.py").write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from shop.b import Basket\n")
    (room / "b.py").write_text("def sell():\n    from shop import c\n")
    (room / "c.py").write_text(last)
    assert set(circle_in(graph_of(room, tmp_path))) == expected


@pytest.mark.parametrize("room", sorted(set(MAY_IMPORT) - set(MAY_USE_PREFECT)))
def test_the_domain_does_not_know_prefect(room: str) -> None:
    """Only `deployments`, `flows` and `tasks` import Prefect."""
    users = [path for path in sources(room) if any(is_inside(name, ("prefect",)) for name in imported(path))]
    assert users == []


def test_the_import_reader_sees_every_form(tmp_path: Path) -> None:
    """Plain, aliased, nested and member imports are all found, so that none evades the rule."""
    source = tmp_path / "sample.py"
    source.write_text(
        "import a.b as c\nfrom d import e\ndef f():\n    from nightproof import quilt\n", encoding="utf-8"
    )
    assert sorted(imported(source)) == ["a.b", "d.e", "nightproof.quilt"]
    assert is_inside("nightproof.quilt", MAY_IMPORT["suites"])
    assert not is_inside("nightproof.ledger", MAY_IMPORT["suites"])
    assert not is_inside("nightproof.quilt_other", MAY_IMPORT["suites"])
