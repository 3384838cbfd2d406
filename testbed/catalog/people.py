"""The declared users, buckets and roles; a new database starts with them."""

from __future__ import annotations

import uuid
from typing import Final

JOINED: Final = "2024-01-01T00:00:00+00:00"
# By name: e-mail, role, is_admin, is_service.
USERS: Final = {
    "test-admin": ("admin@test.com", "admin", True, False),
    "test-user": ("user@test.com", "user", False, False),
    "test-readonly": ("readonly@test.com", "viewer", False, False),
    "test-service": ("service@test.com", "service", False, True),
}
# By bucket: title and relevance.
BUCKETS: Final = {
    "quilt-mcp-test-data": ("Test data", 50),
    "quilt-mcp-test-scratch": ("Scratch", 10),
    "quilt-mcp-test-packages": ("Packages", 100),
    "quilt-mcp-test-work": ("Work", 40),
    "quilt-mcp-test-perf": ("Performance", 30),
    "quilt-mcp-test-private": ("Private", 5),
    "quilt-mcp-test-west": ("West", 1),
}
INDEXED_BYTES: Final = range(1024 * 1024 + 1)  # of an object's content; the range that an admin may set
BUCKET_DEFAULTS: Final = {"relevanceScore": 0, "tags": [], "browsable": True, "prefixes": []}
_DATA, _SCRATCH, _PACKAGES, _WORK, _PERF, _PRIVATE, _WEST = BUCKETS
# By role: the buckets it reads and those it writes.
ROLES: Final[dict[str, tuple[frozenset[str], frozenset[str]]]] = {
    "admin": (frozenset(BUCKETS), frozenset(BUCKETS)),
    "user": (frozenset({_DATA, _SCRATCH, _PACKAGES, _WORK, _PERF, _WEST}), frozenset({_SCRATCH, _WORK})),
    "viewer": (frozenset({_DATA, _PACKAGES, _PERF}), frozenset()),
    "power-user": (frozenset({_DATA, _SCRATCH, _PACKAGES, _WORK, _PERF, _WEST}), frozenset({_SCRATCH, _WORK, _PERF})),
    "analyst": (frozenset({_DATA, _PACKAGES}), frozenset()),
    "editor": (frozenset({_DATA, _SCRATCH, _PACKAGES, _WORK}), frozenset({_SCRATCH, _WORK})),
    "service": (frozenset({_DATA, _SCRATCH, _PACKAGES, _WORK}), frozenset({_SCRATCH, _WORK})),
}
UNMANAGED: Final = frozenset({"service"})


def user_uuid(name: str) -> str:
    """Return the stable UUID of a user."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"nightproof:{name}"))
