"""The error of a write has the limit of writes, not that of reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nightproof import quilt

if TYPE_CHECKING:
    from tests.nightproof.quilt.conftest import World

REGISTRY = "s3://quilt-mcp-test-work"
LIMIT_S, STALL_S = 0.5, 10


def test_a_write_names_its_own_limit(world: World, backend: str) -> None:
    """A delayed write ends at `write_s` on both backends; another user's write is not delayed."""
    limits = quilt.Timeouts(write_s=LIMIT_S, s3_attempts=1)
    slow, other = world.make(backend, timeouts=limits), world.make(backend, "test-admin")
    slow.list_all_packages(REGISTRY)
    with world.slow_writes(backend, STALL_S):
        with pytest.raises(quilt.BackendError, match=r"within 0\.5 s") as caught:
            slow.create_package_revision(f"limits/{backend}-slow", REGISTRY, [])
        other.create_package_revision(f"limits/{backend}-other", REGISTRY, [])
    context = caught.value.context
    assert (context["kind"], context["timeout_s"]) == ("timeout", LIMIT_S)
    assert LIMIT_S <= context["elapsed_s"] < STALL_S
