"""QuiltOps calls are recorded, whoever made the instance and however the operation was called."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING
from typing import Any

import pytest

from nightproof.evidence.state import RECORDING
from nightproof.evidence.state import TestState
from nightproof.quilt import NotFoundError
from nightproof.quilt import QuiltOps
from nightproof.quilt import recorder

if TYPE_CHECKING:
    from collections.abc import Iterator


class Ops:
    """A stand-in with operations of the contract, one of which calls another."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    def get_package_info(self, package_name: str, registry: str, top_hash: str | None = None) -> str:
        """Return a text about the package, or raise NotFoundError."""
        if package_name == "no/thing":
            raise NotFoundError("missing", {"resource": package_name})
        return f"{package_name} of {registry} at {top_hash}"

    def get_package_metadata(self, package_name: str, registry: str) -> dict[str, str]:
        """Return the result of `get_package_info`, which it calls."""
        return {"info": self.get_package_info(package_name, registry)}


@pytest.fixture
def ops() -> Any:
    """Return an instance of a recorded class."""
    names = {name: lambda *_args, **_more: None for name in QuiltOps.__abstractmethods__}
    owner = type("PlatformOps", (Ops,), {name: made for name, made in names.items() if not hasattr(Ops, name)})
    recorder.install(SimpleNamespace(PlatformOps=owner))
    return owner()


@pytest.fixture
def state() -> Iterator[TestState]:
    """Yield a test in its call phase."""
    before = RECORDING.test
    RECORDING.test = TestState("id", "prefix", phase="call")
    yield RECORDING.test
    RECORDING.test = before


def test_answer_is_kept_with_its_canonical_input(ops: Any, state: TestState) -> None:
    """Positional, named and omitted arguments of the same call are the same input."""
    assert ops.get_package_info("a/b", registry="s3://r") == "a/b of s3://r at None"
    ops.get_package_info("a/b", "s3://r", None)
    first, second = state.observations
    assert first == second
    assert first["input"] == '{"package_name":"a/b","registry":"s3://r","top_hash":null}'
    assert first["output"] == '"a/b of s3://r at None"'


def test_error_is_kept_and_raised(ops: Any, state: TestState) -> None:
    """An error is recorded and raised, also for a call that the contract does not know."""
    with pytest.raises(NotFoundError):
        ops.get_package_info("no/thing", "s3://r")
    with pytest.raises(TypeError):
        ops.get_package_info("a/b", "s3://r", colour="red")
    assert [one["output"] for one in state.observations] == [
        '{"context":{"resource":"no/thing"},"error":"NotFoundError"}',
        '{"context":{},"error":"TypeError"}',
    ]


def test_only_the_outermost_call_counts(ops: Any, state: TestState) -> None:
    """Only the outermost call is recorded, not the calls inside an operation."""
    ops.get_package_metadata("a/b", "s3://r")
    assert [one["operation"] for one in state.observations] == ["get_package_metadata"]


def test_what_cannot_be_compared_is_not_recorded(ops: Any, state: TestState) -> None:
    """Credentials, clients and raw answers are not recorded."""
    ops.get_graphql_auth_headers()
    ops.get_boto3_client("s3")
    ops.execute_graphql_query("{ me { name } }")
    assert state.observations == []


def test_both_backends_and_admins_are_recorded_when_imported() -> None:
    """Both backends and their admins are recorded once a suite imports them."""
    code = (
        "from nightproof.evidence import recorders; recorders.install()\n"
        "from nightproof.quilt.platform_backend import PlatformOps\n"
        "from nightproof.quilt.quilt3_backend import Quilt3Ops\n"
        "from nightproof.quilt.admin import Admin\n"
        "from nightproof.quilt import AdminOps, QuiltOps\n"
        "from nightproof.quilt.recorder import NOT_COMPARED\n"
        "pairs = [(PlatformOps, QuiltOps), (Quilt3Ops, QuiltOps), (Admin, AdminOps)]\n"
        "bare = [n for o, c in pairs for n in c.__abstractmethods__ - NOT_COMPARED.keys()\n"
        "        if not hasattr(getattr(o, n), '__wrapped__')]\n"
        "print(bare)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
