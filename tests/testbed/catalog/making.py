"""A maker of policies, roles and users, and checks of what their credentials allow."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from quilt3.admin import exceptions

from tests.testbed.catalog.calling import token_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from quilt3.admin.types import Permission

    from tests.testbed.catalog.calling import Calling


NUMBERS = itertools.count()


class Making:
    """A maker of policies, roles and users."""

    def __init__(self, catalog: Calling, admin: Any) -> None:
        self.catalog = catalog
        self.admin = admin
        self.users: list[str] = []

    def name(self) -> str:
        """Return a name that nothing else has."""
        return f"made-role-{next(NUMBERS)}"

    def policy(self, *permissions: Permission, roles: tuple[str, ...] = ()) -> Any:
        """Create a managed policy."""
        return self.admin.policies.create_managed(self.name(), permissions=list(permissions), roles=list(roles))

    def role(self, *permissions: Permission) -> Any:
        """Create a managed role with one policy, or without any if no permissions are given."""
        return self.admin.roles.create_managed(self.name(), [self.policy(*permissions).id] if permissions else [])

    def user(self, role: str) -> str:
        """Create a user with a role and return its Authorization header."""
        name = f"{self.name()}-user"
        self.users.append(name)
        self.admin.users.create(name, f"{name}@test.com", role)
        return token_of(self.catalog, name)

    def keys(self, bearer: str) -> Any:
        """Request credentials and return the response."""
        url = f"{self.catalog.registry}/api/auth/get_credentials"
        return self.catalog.http.get(url, headers={"Authorization": bearer})

    def s3(self, bearer: str) -> Any:
        """Return an S3 client with a user's vended credentials."""
        lent = self.keys(bearer).json()
        session = boto3.session.Session(lent["AccessKeyId"], lent["SecretAccessKey"], lent["SessionToken"], "us-east-1")
        config = Config(signature_version="s3v4", retries={"total_max_attempts": 1})
        return session.client("s3", endpoint_url=self.catalog.target.aws_url, config=config)


def may(act: Callable[[], Any]) -> bool:
    """Return whether S3 allows an action. Errors other than a denial or 404 are raised."""
    try:
        act()
    except ClientError as error:
        if error.response["Error"]["Code"] in {"AccessDenied", "403"}:
            return False
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
    return True


def all_meet(error: type[Exception], *acts: Callable[[], Any]) -> None:
    """Assert that each of several operations raises the same error."""
    for act in acts:
        with pytest.raises(error):
            act()


def refused(act: Callable[[], Any]) -> tuple[str, str]:
    """Return path and name of the input error that an operation must raise."""
    with pytest.raises(exceptions.Quilt3AdminError) as caught:
        act()
    (error,) = caught.value.args[0].errors
    return error.path, error.name
