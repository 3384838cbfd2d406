"""Checks of AWS: the endpoint answers, the identities are the right ones, buckets are as the suites expect."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import httpx
from botocore.exceptions import ClientError

from nightproof.provisioning.finding import CheckFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightproof.profile import Check
    from nightproof.target import Target

PROBE_KEY: Final = "np-probe/role-limits"
NO_ETAG: Final = '"00000000000000000000000000000000"'  # no object has it, so a permitted write still writes nothing
REFUSED: Final = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"})
UNMET: Final = frozenset({"PreconditionFailed", "NoSuchKey", "404", "412"})
KEYS_REMEDY: Final = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, to the harness's own identity."
PUBLIC_BLOCKS: Final = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def endpoint(target: Target, _check: Check) -> str:
    """Check that the AWS endpoint answers without a server error; the identity has a check of its own."""
    url = target.aws_url or f"https://sts.{target.profile.names.region}.amazonaws.com"
    answer = httpx.get(url, timeout=10)
    if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise CheckFailed(f"{url} answers {answer.status_code}", "Restart the AWS endpoint.", transient=True)
    return f"{url} answers"


def identity(target: Target, _check: Check) -> str:
    """Check by STS that neither the harness nor the tests act as the account's root; return their ARNs."""
    found = []
    for name in ("ci-runner", "ci-seeder"):
        arn = str(target.aws_client("sts", name).get_caller_identity()["Arn"])
        if arn.endswith(":root"):
            raise CheckFailed(f"{name} acts as {arn}", "Use the keys of an IAM user or role, never the root's.")
        if arn not in found:
            found.append(arn)
    return ", ".join(found)


def buckets(target: Target, _check: Check) -> str:
    """Check that every named bucket exists in its region, versioned (scratch: not), encrypted and not public."""
    names = target.profile.names
    regions = {names.bucket_west: "us-west-2"}
    unversioned = {names.bucket_scratch}
    wanted = (
        names.bucket_data, names.bucket_scratch, names.bucket_packages, names.bucket_work,
        names.bucket_perf, names.bucket_private, names.bucket_west,
    )  # fmt: skip
    for bucket in wanted:
        region = regions.get(bucket, names.region)
        s3 = target.aws_client("s3", "ci-seeder", region)
        _require_bucket(s3, bucket, region)
        _require_properties(s3, bucket, versioned=bucket not in unversioned)
    return f"{len(wanted)} buckets as expected"


def _require_bucket(s3: Any, bucket: str, region: str) -> None:
    try:
        location = s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] or "us-east-1"
    except ClientError as error:
        code = error.response["Error"]["Code"]
        remedy = f"Create the bucket `{bucket}`, or correct its name in the profile's [names]."
        raise CheckFailed(f"bucket `{bucket}`: {code}", remedy) from error
    if location != region:
        raise CheckFailed(f"bucket `{bucket}` is in {location}, not {region}", "Correct [names] in the profile.")


def _require_properties(s3: Any, bucket: str, *, versioned: bool) -> None:
    status = s3.get_bucket_versioning(Bucket=bucket).get("Status", "off")
    if (status == "Enabled") != versioned:
        wanted = "Enabled" if versioned else "off"
        raise CheckFailed(f"bucket `{bucket}` has versioning {status}", f"Set its versioning to {wanted}.")
    encryption = _or_none(lambda: s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"])
    if not encryption or not encryption.get("Rules"):
        raise CheckFailed(f"bucket `{bucket}` has no default encryption", "Set AES256 as its default encryption.")
    blocks = _or_none(lambda: s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]) or {}
    open_blocks = [name for name in PUBLIC_BLOCKS if not blocks.get(name)]
    if open_blocks:
        raise CheckFailed(f"bucket `{bucket}` lacks {', '.join(open_blocks)}", "Turn on its public access block.")


def _or_none(call: Callable[[], Any]) -> Any:
    """Return a property of a bucket, or None if it was never set."""
    try:
        return call()
    except ClientError as error:
        if error.response["Error"]["Code"].startswith(("NoSuch", "ServerSideEncryptionConfigurationNotFound")):
            return None
        raise


def role_limits(target: Target, _check: Check) -> str:
    """Check that the tests' identity may write to the work bucket and is refused elsewhere; writes nothing."""
    names = target.profile.names
    s3 = target.aws_client("s3", "ci-runner")
    iam = target.aws_client("iam", "ci-runner")
    if (code := _try_write(s3, names.bucket_work)) not in UNMET:
        raise CheckFailed(f"ci-runner cannot write to `{names.bucket_work}`: {code}", "Give it s3:PutObject there.")
    forbidden: dict[str, Callable[[], str]] = {
        f"write to `{names.bucket_data}`": lambda: _try_write(s3, names.bucket_data),
        "list IAM users": lambda: _code(lambda: iam.list_users(MaxItems=1)),
    }
    for what, attempt in forbidden.items():
        if (code := attempt()) not in REFUSED:
            raise CheckFailed(f"ci-runner may {what} ({code})", "Take that permission from the role's policy.")
    return f"{len(forbidden)} forbidden calls refused"


def _try_write(s3: Any, bucket: str) -> str:
    return _code(lambda: s3.put_object(Bucket=bucket, Key=PROBE_KEY, Body=b"", IfMatch=NO_ETAG))


def _code(call: Callable[[], Any]) -> str:
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "allowed"
