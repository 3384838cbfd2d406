"""The dishonest patterns that no suite may contain, each with samples that the lint must find."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.architecture.parsed import parsed

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

pytestmark = pytest.mark.xdist_group("architecture")  # each file is parsed once
ROOT = Path(__file__).parents[2]
STATUS_CODES = range(100, 600)


def constant_assertions(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield assertions that hold whatever the system does."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert) and not any(
            isinstance(part, ast.Name | ast.Attribute | ast.Call | ast.Await) for part in ast.walk(node.test)
        ):
            yield node


def alternatives_in_assertions(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield assertions weakened by an `or`, such as `assert x or True`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert) and isinstance(node.test, ast.BoolOp) and isinstance(node.test.op, ast.Or):
            yield node


def accepted_statuses(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield comparisons with a set of status codes, and with an upper bound such as `status < 500`."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare):
            continue
        for operator, right in zip(node.ops, node.comparators, strict=True):
            if isinstance(operator, ast.In) and len(_status_codes(right)) > 1:
                yield node
            if isinstance(operator, ast.Lt | ast.LtE) and "status" in ast.unparse(node.left) and _status_codes(right):
                yield node


def _status_codes(node: ast.expr) -> list[int]:
    parts = node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else [node]
    values = [part.value for part in parts if isinstance(part, ast.Constant)]
    return [value for value in values if isinstance(value, int) and value in STATUS_CODES]


def broad_excepts(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield handlers and `pytest.raises` that accept any error."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and (
            node.type is None or _names(node.type) & {"Exception", "BaseException"}
        ):
            yield node
        if (
            isinstance(node, ast.Call)
            and ast.unparse(node.func).endswith("raises")
            and any(_names(argument) & {"Exception", "BaseException"} for argument in node.args)
        ):
            yield node


def _names(node: ast.expr) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def forbidden_calls(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield skips, bare sleeps, prints and patches."""
    names = {"pytest.skip", "pytest.xfail", "pytest.importorskip", "time.sleep", "sleep", "print", "skip", "xfail"}
    marks = {"pytest.mark.skip", "pytest.mark.skipif", "pytest.mark.xfail"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in names:
            yield node
        if isinstance(node, ast.Attribute) and ast.unparse(node) in marks:
            yield node
        if isinstance(node, ast.arg) and node.arg in {"monkeypatch", "mocker"}:
            yield node


def conditional_assertions(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield assertions inside an `if`, which may never run."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If):
            yield from (part for part in ast.walk(node) if isinstance(part, ast.Assert))


RULES: dict[str, tuple[Callable[[ast.Module], Iterator[ast.AST]], list[str]]] = {
    "an assertion on constants": (constant_assertions, ["assert True", "assert 1 == 1", "assert 'a'"]),
    "an assertion with an alternative": (alternatives_in_assertions, ["assert x or True", "assert a == 1 or b == 2"]),
    "a set of accepted status codes": (
        accepted_statuses,
        ["assert status in {200, 403}", "assert r.status_code in (200, 404)", "assert r.status_code < 500"],
    ),
    "a handler of any error": (
        broad_excepts,
        ["try:\n    f()\nexcept Exception:\n    pass", "try:\n    f()\nexcept:\n    pass", "pytest.raises(Exception)"],
    ),
    "a skip, sleep, print or patch": (
        forbidden_calls,
        [
            "pytest.skip('no')",
            "time.sleep(1)",
            "print(1)",
            "@pytest.mark.skipif(x)\ndef f(): ...",
            "def f(monkeypatch): ...",
        ],
    ),
    "an assertion behind a condition": (conditional_assertions, ["if x:\n    assert y == 1"]),
}


@pytest.mark.parametrize("rule", sorted(RULES))
def test_no_suite_contains(rule: str) -> None:
    """No file of any suite contains the pattern."""
    find = RULES[rule][0]
    found = [
        f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
        for path in sorted((ROOT / "suites").rglob("*.py"))
        for node in find(parsed(path))
    ]
    assert found == []


@pytest.mark.parametrize("rule", sorted(RULES))
def test_the_lint_sees(rule: str) -> None:
    """Every sample of the pattern is found, so that an empty result proves something."""
    find, samples = RULES[rule]
    assert [sample for sample in samples if not list(find(ast.parse(sample)))] == []


def test_an_honest_assertion_passes_the_lint() -> None:
    """The lint accepts an assertion of one status, and of one exact error."""
    tree = ast.parse(
        "assert r.status_code == 200\nassert 401 in [c.status for c in calls]\npytest.raises(NotFoundError)"
    )
    assert [rule for rule, (find, _) in RULES.items() if list(find(tree))] == []
