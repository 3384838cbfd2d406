"""The self-test passes on a sound storage, leaves nothing behind, and names the probe that fails on a faulty one."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import pytest

from testbed.aws.selftest import SelfTestError
from testbed.aws.selftest import self_test
from tests.testbed.aws.asking import WORK
from tests.testbed.aws.asking import Asking

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_sound_storage_passes_and_is_left_clean(aws: Asking) -> None:
    """The self-test passes on a sound storage and leaves no object, version or marker."""
    self_test(aws.url, aws.target.facts["credentials"])
    listed = aws.s3.list_object_versions(Bucket=WORK, Prefix=".nightproof-selftest/")
    assert "Versions" not in listed
    assert "DeleteMarkers" not in listed


@pytest.mark.parametrize(
    ("switched", "parameters", "named"),
    [
        ("s3-put-loses-checksum", {}, "`.* checksum.*` answered"),
        ("s3-serves-expired-url", {}, "`expired presigned URL` answered 200 instead of 403"),
        ("s3-wrong-location", {}, "`region of quilt-mcp-test-west` answered None instead of 'us-west-2'"),
        ("error", {"operation": "ListObjectVersions", "status": 400}, "of cleaning up ended with ClientError"),
        ("error", {"operation": "CreateMultipartUpload", "status": 400}, "of multipart ended with ClientError"),
        ("error", {"operation": "athena:ListTableMetadata", "status": 400}, "of databases ended with"),
        ("error", {"operation": "CopyObject", "status": 400}, "of put and copy ended with"),
        ("error", {"operation": "ListObjectsV2", "status": 400}, "of rights ended with"),
    ],
)
def test_a_lie_is_named(
    aws: Asking, switch: Callable[..., None], switched: str, parameters: dict[str, Any], named: str
) -> None:
    """The error of a failed self-test names the probe."""
    switch(switched, **parameters)
    with pytest.raises(SelfTestError, match=named):
        self_test(aws.url, aws.target.facts["credentials"])
