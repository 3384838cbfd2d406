"""What tests may rely on beside the files: buckets, roles, users and the Athena table."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

if TYPE_CHECKING:
    from nightproof.profile import Names


def inventory(names: Names) -> dict[str, Any]:
    """Return the sections of the manifest that no generator makes."""
    return {"buckets": _buckets(names), "roles": _roles(names), "users": _users(names), "tables": _tables(names)}


def _buckets(names: Names) -> dict[str, Any]:
    def bucket(relevance: int, *, region: str = names.region, versioned: bool = True) -> dict[str, Any]:
        return {"region": region, "versioning": versioned, "relevance": relevance}

    return {
        names.bucket_data: bucket(50),
        names.bucket_scratch: bucket(10, versioned=False),
        names.bucket_packages: bucket(100),
        names.bucket_work: bucket(40),
        names.bucket_perf: bucket(30),
        names.bucket_private: bucket(5),
        names.bucket_west: bucket(1, region="us-west-2"),
    }


def _roles(names: Names) -> list[dict[str, Any]]:
    data, scratch, packages = names.bucket_data, names.bucket_scratch, names.bucket_packages
    work, perf, west = names.bucket_work, names.bucket_perf, names.bucket_west
    everything = [data, scratch, packages, work, perf, names.bucket_private, west]
    shared = [data, scratch, packages, work]
    readable = {
        "admin": (everything, everything),
        "analyst": ([data, packages], []),
        "editor": (shared, [scratch, work]),
        "power-user": ([*shared, perf, west], [scratch, work, perf]),
        "service": (shared, [scratch, work]),
        "user": ([*shared, perf, west], [scratch, work]),
        "viewer": ([data, packages, perf], []),
    }
    return [
        {"name": name, "managed": name != "service", "read": sorted(read), "write": sorted(write)}
        for name, (read, write) in readable.items()
    ]


def _users(names: Names) -> list[dict[str, Any]]:
    users = [
        {"name": names.admin, "email": names.admin_email, "role": "admin", "is_admin": True, "is_service": False},
        {"name": names.user, "email": names.user_email, "role": "user", "is_admin": False, "is_service": False},
        {"name": names.readonly, "email": "readonly@test.com", "role": "viewer", "is_admin": False,
         "is_service": False},
        {"name": names.service, "email": "service@test.com", "role": "service", "is_admin": False, "is_service": True},
    ]  # fmt: skip
    return sorted(users, key=lambda user: str(user["name"]))


def _tables(names: Names) -> dict[str, Any]:
    return {
        "test_table_1": {
            "database": names.glue_database,
            "location": f"s3://{names.bucket_data}/athena/test_table_1/",
            "columns": [["id", "int"], ["name", "string"], ["value", "double"], ["timestamp", "timestamp"]],
            "rows": 1000,
        }
    }
