"""ministack's administration is closed without the control token, and no other service or socket is open."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal

import boto3
import httpx
import pytest
from botocore.config import Config

from testbed.aws.__main__ import environment
from tests.testbed.aws.asking import WORK
from tests.testbed.aws.asking import refused
from tests.testbed.conftest import await_that

if TYPE_CHECKING:
    from tests.testbed.aws.asking import Asking

LISTENING = "0A"
LOOPBACK = {"0100007F", "00000000000000000000000001000000"}
ADMIN = [
    ("POST", "/_ministack/reset"),
    ("POST", "/_ministack/config"),
    ("GET", "/_ministack/health"),
    ("GET", "/_ministack/ready"),
    ("GET", "/_ministack/ses/messages"),
    ("PUT", "/_ministack/cfn-response/x"),
    ("POST", "/_ministack/rds/iam-auth"),
    ("POST", "/_ministack/nothing-of-this-name"),
    ("GET", "/_localstack/health"),
    ("GET", "/_aws/execute-api/a/b"),
    ("POST", "//_ministack/reset"),
    ("POST", "/%5Fministack/reset"),
    ("POST", "/_MINISTACK/reset"),
]
ADDRESSED = [(host, *one) for host in ("127.0.0.1", "bucket.127.0.0.1") for one in ADMIN]
ADDRESSED += [("127.0.0.1", "GET", "/_other/thing")]  # behind a bucket's name this is a key


@pytest.mark.parametrize("given", ["", "Bearer wrong"])
@pytest.mark.parametrize(("host", "method", "path"), ADDRESSED)
def test_no_administration_without_the_token(aws: Asking, host: str, method: str, path: str, given: str) -> None:
    """Every administration path without the control token is answered 401, and the account stays unchanged."""
    body = b'{"athena.ATHENA_ENGINE": "x"}'
    headers = {"Authorization": given, "Host": host, "Content-Type": "text/plain"}
    answer = httpx.request(method, f"{aws.url}{path}", headers=headers, content=body, timeout=30)
    assert (answer.status_code, answer.json()) == (401, {"message": "The control token is missing or wrong."})
    assert WORK in [bucket["Name"] for bucket in root("s3", aws.url).list_buckets()["Buckets"]]


@pytest.mark.parametrize("style", ["path", "virtual"])
def test_a_key_may_begin_as_no_bucket_does(
    aws: Asking, prefix: str, monkeypatch: pytest.MonkeyPatch, style: Literal["path", "virtual"]
) -> None:
    """A key may begin with an underscore, in path and virtual-hosted style, signed by header or in the URL."""
    real = socket.getaddrinfo
    monkeypatch.setattr("socket.getaddrinfo", lambda _host, *more, **named: real("127.0.0.1", *more, **named))
    keys = aws.target.facts["credentials"]["ci-seeder"]
    s3: Any = boto3.client(
        "s3",
        endpoint_url=aws.url.replace("127.0.0.1", "s3.localhost"),
        region_name="us-east-1",
        aws_access_key_id=keys["access_key_id"],
        aws_secret_access_key=keys["secret_access_key"],
        config=Config(signature_version="s3v4", s3={"addressing_style": style}),
    )
    named = {"Bucket": WORK, "Key": f"_{style}/{prefix}_SUCCESS"}
    s3.put_object(**named, Body=b"kept")
    assert s3.get_object(**named)["Body"].read() == b"kept"
    signed = s3.generate_presigned_url("get_object", Params=named)
    assert (f"//{WORK}.s3.localhost" in signed) == (style == "virtual")
    assert httpx.get(signed, timeout=30).content == b"kept"


def root(service: str, url: str) -> Any:
    """Return a boto3 client of the account's root."""
    session: Any = boto3.Session()
    return session.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("lambda", "list_functions"),
        ("ecs", "list_clusters"),
        ("transfer", "create_server"),
        ("iot", "list_things"),
    ],
)
def test_the_account_has_no_other_services(aws: Asking, service: str, operation: str) -> None:
    """Services that would start servers, functions or containers are refused even to the account's root."""
    client = root(service, aws.url)
    assert refused(getattr(client, operation)) != ""


def test_no_docker_of_the_machine_is_shown(tmp_path: Path) -> None:
    """DOCKER_HOST is a socket that does not exist.

    At its start ministack removes every container that it takes for its own.
    """
    named = environment(tmp_path, 1)["DOCKER_HOST"].removeprefix("unix://")
    assert named.startswith(str(tmp_path))
    assert not Path(named).exists()


def test_every_listening_socket_is_on_loopback(aws: Asking) -> None:
    """After ministack has started all servers, the testbed listens only on loopback and only on its declared ports."""
    token = {"Authorization": f"Bearer {aws.target.facts['control_token']}"}
    await_that(lambda: httpx.get(f"{aws.url}/_ministack/ready", headers=token, timeout=30).status_code == 200)
    services = aws.target.facts["services"].values()
    found = {address for service in services for address in listening(service["pid"])}
    ports = {int(service["url"].rpartition(":")[2]) for service in services}
    assert {host for host, _ in found} <= LOOPBACK
    assert {port for _, port in found} == ports


def listening(pid: int) -> set[tuple[str, int]]:
    """Return the addresses (as in /proc, hexadecimal) and ports on which a process listens."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes.add(str(link.readlink()))
        except FileNotFoundError:
            continue  # closed meanwhile
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING and f"socket:[{fields[9]}]" in inodes:
                host, _, port = fields[1].rpartition(":")
                found.add((host, int(port, 16)))
    return found
