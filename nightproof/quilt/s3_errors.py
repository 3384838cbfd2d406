"""Translation of S3 errors into the contract's errors."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Final
from typing import NoReturn

from botocore.exceptions import BotoCoreError
from botocore.exceptions import ClientError
from botocore.exceptions import ConnectionError as UnreachableError
from botocore.exceptions import ConnectTimeoutError
from botocore.exceptions import HTTPClientError
from botocore.exceptions import NoCredentialsError
from botocore.exceptions import NoRegionError
from botocore.exceptions import ParamValidationError
from botocore.exceptions import ReadTimeoutError
from botocore.exceptions import ValidationError

from nightproof.quilt import exceptions as errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nightproof.quilt.caller import Caller

MISSING: Final = frozenset({"NoSuchKey", "NoSuchBucket", "NoSuchVersion", "404", "NotFound"})
DENIED: Final = frozenset({"AccessDenied", "AllAccessDisabled", "403", "Forbidden"})
EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException"})


@dataclass(frozen=True, slots=True)
class Sought:
    """The subject of an S3 request, for its errors: the resource, its location and the right that it requires."""

    resource: str
    identifier: str
    where: str
    bucket: str
    right: str = "read"


@contextmanager
def s3_errors(ops: Caller, operation: str, sought: Sought, answer_s: float | None = None) -> Iterator[None]:
    """Translate botocore's exceptions within the block into the contract's errors.

    `answer_s` is the read timeout of one request in seconds; None means `Timeouts.read_s`.
    """
    started = time.monotonic()
    try:
        yield
    except ClientError as error:
        _raise_refusal(ops, operation, sought, error)
    except (ReadTimeoutError, ConnectTimeoutError) as error:
        answer_s = answer_s or ops.timeouts.read_s
        limit = ops.timeouts.connect_s if isinstance(error, ConnectTimeoutError) else answer_s
        raise errors.BackendError(
            f"S3 gave no answer within {limit:g} s. Try again, or allow more time.",
            ops.catalog.base(operation)
            | {
                "kind": "timeout",
                "timeout_s": limit,
                "elapsed_s": time.monotonic() - started,
                "original_exception": f"{type(error).__name__}: {error}",
            },
        ) from error
    except (HTTPClientError, UnreachableError) as error:
        raise errors.BackendError(
            "S3 cannot be reached. Check its address and that it runs.",
            ops.catalog.base(operation)
            | {
                "kind": "unreachable",
                "url": str(error.kwargs.get("endpoint_url", "")),
                "original_exception": f"{type(error).__name__}: {error}",
            },
        ) from error
    except (ParamValidationError, ValidationError, NoCredentialsError, NoRegionError) as error:
        raise ops.catalog.refused_here(operation, error) from error
    except BotoCoreError as error:
        raise ops.catalog.protocol(operation, f"{type(error).__name__}: {error}") from error


def code_of(error: ClientError) -> str:
    """Return the service's error code, or an empty text if the response has none."""
    return str(error.response.get("Error", {}).get("Code", ""))


def deny(ops: Caller, operation: str, sought: Sought, cause: Exception) -> NoReturn:
    """Raise the PermissionError for a bucket, with the user's role and its access level there."""
    role, level = ops.me(operation).role.name, _level(ops, operation, sought.bucket)
    raise ops.catalog.denied(operation, [f"s3:{sought.right}:{sought.bucket}"], role, level) from cause


def _level(ops: Caller, operation: str, bucket: str) -> str:
    try:
        ops.keys.client("s3", None, operation).head_bucket(Bucket=bucket)
    except ClientError:
        return "none"
    return "read"


def _raise_refusal(ops: Caller, operation: str, sought: Sought, error: ClientError) -> NoReturn:
    code = code_of(error)
    if code in MISSING:
        raise ops.not_found(operation, sought.resource, sought.identifier, sought.where) from error
    if code in DENIED:
        deny(ops, operation, sought, error)
    if code in EXPIRED:
        ops.catalog.refuse(operation, "expired", expires_at=ops.keys.end)
    raise_unnamed(ops, operation, error)


def raise_unnamed(ops: Caller, operation: str, error: ClientError) -> NoReturn:
    """Raise the BackendError (kind `s3`) for a failure that no other error of the contract covers."""
    code = code_of(error)
    raise errors.BackendError(
        f"S3 failed with {code}. Try again, then look at the storage.",
        ops.catalog.base(operation)
        | {
            "kind": "s3",
            "s3_code": code,
            "http_status": error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0),
            "original_exception": f"{type(error).__name__}: {error}",
        },
    ) from error
