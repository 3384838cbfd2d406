"""Refusals in the same words on both backends: which role lacks which right."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from typing import Any

import pytest

from nightproof import quilt
from nightproof.quilt.answers import Lack
from nightproof.quilt.catalog import Catalog
from nightproof.quilt.records import Timeouts

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.nightproof.quilt.rubbish import Rubbish

PRIVATE = "quilt-mcp-test-private"
ENTRY = {"logical_key": "x", "physical_key": "s3://quilt-mcp-test-data/x"}
CALLS: dict[str, tuple[str, Callable[[quilt.QuiltOps], Any]]] = {
    "read": (f"s3:read:{PRIVATE}", lambda ops: ops.get_package_info("secret/hidden", f"s3://{PRIVATE}")),
    "create": (f"s3:write:{PRIVATE}", lambda ops: ops.create_package_revision("a/b", f"s3://{PRIVATE}", [ENTRY])),
    "update": (f"s3:write:{PRIVATE}", lambda ops: ops.update_package_revision("a/b", f"s3://{PRIVATE}", [ENTRY])),
    "delete": (f"s3:write:{PRIVATE}", lambda ops: ops.delete_package("a/b", f"s3://{PRIVATE}")),
    "administer": ("admin", lambda ops: ops.admin.list_users()),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_refusal_names_role_and_right(ops: quilt.QuiltOps, call: str) -> None:
    """The sentence names the role and the same right as the context, even if an earlier read was refused."""
    right, act = CALLS[call]
    with pytest.raises(quilt.PermissionError) as caught:
        act(ops)
    assert str(caught.value) == f"The role `user` lacks the right `{right}`. Ask an admin for it."
    assert caught.value.context["required_permissions"] == [right]


def test_a_conflict_names_the_package(on_rubbish: Any, rubbish: Rubbish) -> None:
    """The error of a conflict names the package, so that a caller knows which one to read again."""
    arm = {"__typename": "OperationError", "name": "RevisionConflict", "message": "No.", "context": None}
    rubbish.spoil("graphql", json.dumps({"data": {"package": None, "packageConstruct": arm}}).encode())
    with pytest.raises(quilt.BackendError, match="`a/b` was changed by somebody else") as caught:
        on_rubbish("platform").create_package_revision("a/b", "s3://some-bucket", [ENTRY])
    assert caught.value.context["kind"] == "conflict"


def test_a_refusal_that_tells_nothing_is_a_sentence_all_the_same() -> None:
    """A refusal without role and right, as from a proxy, still has a sentence; a long one is limited."""
    with pytest.raises(quilt.PermissionError) as caught:
        Catalog("platform", None, Timeouts()).forbid("list_buckets", None)
    assert str(caught.value) == "The signed-in user lacks a right that this takes. Ask an admin for it."
    with pytest.raises(quilt.PermissionError) as long:
        Catalog("platform", None, Timeouts()).forbid("list_buckets", Lack(required=["x" * 400], role="y" * 400))
    assert len(str(long.value)) <= 300
