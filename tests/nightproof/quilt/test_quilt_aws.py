from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import boto3
from botocore.loaders import JSONFileLoader

from nightproof.quilt.aws import share_models

if TYPE_CHECKING:
    import pytest


def client_of(key: str) -> Any:
    """Return an S3 client of a new session with these keys."""
    session = boto3.Session(aws_access_key_id=key, aws_secret_access_key="secret", region_name="us-east-1")
    share_models(session)
    return session.client("s3")


def test_a_second_session_reads_no_description_again_and_keeps_keys_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Service descriptions are read once per process, and each session signs with its own keys."""
    client_of("AKIAFIRST")
    read: list[str] = []
    load = JSONFileLoader.load_file

    def noting(loader: JSONFileLoader, path: str) -> Any:
        read.append(path)
        return load(loader, path)

    monkeypatch.setattr(JSONFileLoader, "load_file", noting)
    signed = client_of("AKIASECOND").generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})
    assert read == []
    assert "AKIASECOND" in signed
