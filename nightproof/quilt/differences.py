"""The differences between the backends that the contract allows; any other one is a bug."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference, as the support matrix prints it."""

    subject: str
    quilt3: str
    platform: str
    reason: str


DIFFERENCES: Final = (
    Difference(
        "credentials=None",
        "uses the session that `quilt3 login` left in the home folder",
        "is refused with AuthenticationError",
        "Only the quilt3 client keeps a session in files.",
    ),
    Difference(
        "sign-in",
        "fetches AWS keys before the first operation, admin operations included",
        "fetches AWS keys only for list_buckets and get_boto3_client",
        "The quilt3 library signs in as a whole.",
    ),
    Difference(
        "several users in one process",
        "take turns",
        "work at the same time",
        "The quilt3 library keeps one signed-in user per process.",
    ),
    Difference(
        "Auth_Status.catalog_name",
        "is None",
        "is the host name of the catalog's address",
        "The quilt3 client has no name for a catalog.",
    ),
    Difference(
        "error context",
        'has `backend_type` "quilt3" and `auth_method` "local"',
        'has `backend_type` "platform" and `auth_method` "jwt"',
        "`original_exception` and `elapsed_s` differ as well: they tell what happened to whom.",
    ),
    Difference(
        "time limit of a creation or update",
        "120 s for each request of a push",
        "60 s for the one request that constructs the package",
        "A push is many requests to S3, a construction is one to the catalog.",
    ),
    Difference(
        "create_package_revision of one name at the same time",
        "several calls may succeed, and `latest` is one of theirs",
        "exactly one call succeeds where the catalog heeds If-None-Match",
        "A push checks and writes without a lock.",
    ),
    Difference(
        "get_content_url",
        "gives a URL signed with the user's own keys, which ends with them at the latest",
        "gives a URL that the catalog signs",
        "The quilt3 client asks S3 directly, the platform a browsing session.",
    ),
)
