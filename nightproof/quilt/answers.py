"""Shapes of the catalog's answers. Each answer is validated against one, so malformed data is caught in one place."""

from __future__ import annotations

from collections.abc import Hashable  # noqa: TC003 - pydantic resolves annotations at run time
from datetime import UTC
from datetime import datetime
from functools import cache
from typing import Annotated
from typing import Any

from pydantic import AfterValidator
from pydantic import BaseModel
from pydantic import BeforeValidator
from pydantic import ConfigDict
from pydantic import Field
from pydantic import Json
from pydantic import StringConstraints
from pydantic import TypeAdapter
from pydantic import ValidatorFunctionWrapHandler
from pydantic import WrapValidator
from pydantic.alias_generators import to_camel


def _moment(value: str) -> str:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("a time needs an offset")
    return moment.astimezone(UTC).isoformat()


def _size(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not float(value).is_integer() or value < 0:
        raise ValueError("a size is a whole number of bytes")
    return int(value)


def _or_none(value: object, read: ValidatorFunctionWrapHandler) -> object:
    try:
        return read(value)
    except ValueError:
        return None


Text = Annotated[str, StringConstraints(min_length=1)]
TopHash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Moment = Annotated[str, AfterValidator(_moment)]
Size = Annotated[int, BeforeValidator(_size)]  # a Float on the wire, whole bytes everywhere else
Record = dict[str, Any]
JsonText = Annotated[Json[Record | None] | None, BeforeValidator(lambda value: value or None)]


class Wire(BaseModel):
    """A strict shape that ignores the fields that a newer server adds."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")


class Answer(Wire):
    """A part of a GraphQL answer: as strict, with camel case on the wire."""

    model_config = ConfigDict(alias_generator=to_camel)


class Tokens(Wire):
    """Answer of `/api/token`."""

    refresh_token: Text
    access_token: Text
    expires_at: float


class Keys(Wire):
    """Answer of `/api/auth/get_credentials`."""

    AccessKeyId: Text
    SecretAccessKey: Text
    SessionToken: Text
    Expiration: Moment


class GraphqlError(Answer):
    """One member of a GraphQL body's `errors`."""

    message: str
    path: list[str | int] | None = None
    extensions: Record | None = None


class Refusal(Wire):
    """Body of a failed response; proxies in front of a catalog may send anything."""

    code: str | None = None
    expires_at: Annotated[Moment | None, WrapValidator(_or_none)] = None


class Lack(Answer):
    """`extensions` of a 403: the required rights, and the role and access level of the caller."""

    required: list[str] = []
    role: str | None = None
    level: str = "none"


class Denial(Answer):
    """Body of a 403."""

    class Error(Answer):
        """One of its errors."""

        extensions: Lack = Lack()

    errors: list[Error] = []


class Role(Answer):
    """A role, by name."""

    name: Text


class Person(Answer):
    """The signed-in user."""

    name: Text
    role: Role


class Me(Answer):
    """Data of `AuthStatus`."""

    me: Person | None


class Bucket(Answer):
    """One bucket of the catalog."""

    name: Text
    relevance_score: int


class Buckets(Answer):
    """Data of `Buckets`."""

    bucket_configs: list[Bucket]


class ConfigJson(Answer):
    """The fields of config.json that we need; `CatalogOps` checks that all four are present."""

    region: str | None = None
    api_gateway_endpoint: str | None = None
    registry_url: str | None = None
    analytics_bucket: str | None = None


class PackageSource(Wire):
    """One document of the package index."""

    ptr_name: Text
    ptr_last_modified: Moment
    top_hash: TopHash
    comment: str | None = None
    metadata: JsonText = None


class ManifestHeader(Wire):
    """First line of a manifest."""

    message: str | None = None


class SearchHits(Wire):
    """Answer of `/api/search` over packages."""

    class Hits(Wire):
        """The part that holds the documents."""

        class Hit(Wire):
            """One document with its envelope."""

            source: PackageSource = Field(alias="_source")

        total: int
        hits: list[Hit]

    hits: Hits


@cache
def adapter(shape: Hashable) -> TypeAdapter[Any]:
    """Return the validator of a shape, made once."""
    return TypeAdapter(shape)  # type: ignore[arg-type]  # every shape is hashable, which is all that a cache asks
