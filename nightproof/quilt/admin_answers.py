"""Shapes of the registry's answers to admin calls, by the members of its unions."""

from __future__ import annotations

from typing import Annotated
from typing import Literal

from pydantic import Field

from nightproof.quilt.answers import Answer
from nightproof.quilt.answers import Moment
from nightproof.quilt.answers import Text
from nightproof.quilt.platform_answers import InvalidInput
from nightproof.quilt.platform_answers import OperationError


class Role(Answer):
    """A role of either kind."""

    typename: Literal["ManagedRole", "UnmanagedRole"] = Field(alias="__typename")
    id: Text
    name: Text
    arn: str


class User(Answer):
    """A user with all that admins see."""

    name: Text
    email: str
    date_joined: Moment
    last_login: Moment
    is_active: bool
    is_admin: bool
    is_sso_only: bool
    is_service: bool
    role: Role | None
    extra_roles: list[Role]


class ChangedUser(User):
    """The union member for a user that was created or changed."""

    typename: Literal["User"] = Field(alias="__typename")


class Done(Answer):
    """The union member for a success without data."""

    typename: Literal["Ok"] = Field(alias="__typename")


class ChangedBucket(Answer):
    """The union member for a bucket whose tables were changed."""

    typename: Literal["BucketConfig"] = Field(alias="__typename")


class SsoConfig(Answer):
    """The configuration of single sign-on."""

    text: str
    timestamp: Moment
    uploader: User


class ChangedSsoConfig(SsoConfig):
    """The union member for a configuration that was set."""

    typename: Literal["SsoConfig"] = Field(alias="__typename")


class Table(Answer):
    """A Tabulator table."""

    name: Text
    config: str


class ApiKey(Answer):
    """An API key, without its secret."""

    id: Text
    name: str
    fingerprint: str
    created_at: Moment
    expires_at: Moment
    last_used_at: Moment | None
    user_email: str
    status: Literal["ACTIVE", "EXPIRED"]


class CreatedApiKey(Answer):
    """The union member for an API key that was created."""

    typename: Literal["APIKeyCreated"] = Field(alias="__typename")
    api_key: ApiKey
    secret: Text


UserResult = Annotated[ChangedUser | InvalidInput | OperationError, Field(discriminator="typename")]
OperationResult = Annotated[Done | InvalidInput | OperationError, Field(discriminator="typename")]
SsoResult = Annotated[ChangedSsoConfig | InvalidInput | OperationError, Field(discriminator="typename")]
TableResult = Annotated[ChangedBucket | InvalidInput | OperationError, Field(discriminator="typename")]
CreateKeyResult = Annotated[CreatedApiKey | InvalidInput, Field(discriminator="typename")]
RevokeKeyResult = Annotated[Done | InvalidInput, Field(discriminator="typename")]
