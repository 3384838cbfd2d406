"""`construct-ignores-copy` makes a manifest refer to the sources of copies and changes nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.testbed.aws.asking import WORK

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.testbed.aws.asking import Asking

TOP_HASH = "e" * 64
KEY = f".quilt/packages/{TOP_HASH}"


def _stored(aws: Asking, physical: list[str]) -> list[str]:
    """Store a manifest with these physical keys and return those that the stored one has."""
    entries = [{"logical_key": key, "physical_keys": [key], "size": 1} for key in physical]
    lines = [{"version": "v0"}, {"logical_key": "d/", "meta": {}}, *entries]
    body = "".join(json.dumps(line) + "\n" for line in lines)
    version = aws.s3.put_object(Bucket=WORK, Key=KEY, Body=body.encode())["VersionId"]
    found = aws.s3.get_object(Bucket=WORK, Key=KEY)["Body"].read().decode().splitlines()
    aws.s3.delete_object(Bucket=WORK, Key=KEY, VersionId=version)
    return [line["physical_keys"][0] for line in map(json.loads, found) if "physical_keys" in line]


def test_manifests_name_the_sources_of_copies(aws: Asking, prefix: str, switch: Callable[..., None]) -> None:
    """A manifest refers to a copy made under the defect by its source and version. Other keys stay."""
    source = f"{prefix}a b"
    version = aws.s3.put_object(Bucket=WORK, Key=source, Body=b"x")["VersionId"]
    other, copy = f"s3://{WORK}/{prefix}other?versionId=v", f"{prefix}copy"
    switch("construct-ignores-copy")
    copied = aws.s3.copy_object(Bucket=WORK, Key=copy, CopySource={"Bucket": WORK, "Key": source, "VersionId": version})
    aws.s3.copy_object(Bucket=WORK, Key=f"{copy}2", CopySource={"Bucket": WORK, "Key": source})
    given = [f"s3://{WORK}/{copy}?versionId={copied['VersionId']}", other, f"s3://{WORK}/{copy}2?versionId=w"]
    named = f"s3://{WORK}/{source.replace(' ', '%20')}?versionId="
    assert _stored(aws, given) == [named + version, other, f"{named}null"]
    aws.control("DELETE", "faults/construct-ignores-copy")
    assert _stored(aws, given) == given
