"""The testbed as a process: one per directory, with a true description of its services, and nothing left at its end."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import boto3
import pytest

from testbed import supervisor
from testbed.aws.provision import ProvisioningError
from testbed.aws.selftest import SelfTestError
from testbed.statedir import StartError
from tests.testbed.conftest import Running
from tests.testbed.conftest import await_that
from tests.testbed.conftest import is_alive

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any


pytestmark = pytest.mark.xdist_group("supervisor")  # one shared testbed for all of them
WORK = "quilt-mcp-test-work"
PART = bytes(range(256)) * (5 * 1024 * 4)


def s3_of(facts: dict[str, Any]) -> Any:
    """Return an S3 client of a testbed with the seeder's keys."""
    keys = facts["credentials"]["ci-seeder"]
    return boto3.client(
        "s3",
        endpoint_url=facts["services"]["aws"]["url"],
        region_name="us-east-1",
        aws_access_key_id=keys["access_key_id"],
        aws_secret_access_key=keys["secret_access_key"],
    )


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Start one testbed for the tests that only read from it."""
    running = Running(tmp_path_factory.mktemp("shared"))
    try:
        yield running.await_ready()
    finally:
        running.close()


def test_a_second_testbed_on_the_same_directory_is_refused(
    shared: Running, run_testbed: Callable[..., Running]
) -> None:
    """A second testbed exits with 3 and names directory, first process and remedy. The first is unaffected."""
    before = shared.facts
    second = run_testbed(shared.state)
    assert second.ended() == 3
    [line] = second.said
    assert str(shared.state) in line
    assert f"process {shared.process.pid}" in line
    assert "--state-dir" in line
    assert shared.facts == before


def test_a_person_is_told_each_step(shared: Running) -> None:
    """A start prints four lines on stderr, the last once every service answers."""
    steps = ("starting aws", "starting catalog", "self-test", "ready")
    assert shared.said == [f"testbed: {step}" for step in steps]


def test_the_description_is_private_and_names_living_processes(shared: Running) -> None:
    """Only the owner can read the files, and testbed.json holds the ids of running processes."""
    made = list(shared.state.rglob("*"))
    assert {"testbed.json", "secrets.json", "keys.json", "aws.log"} <= {path.name for path in made}
    assert [path for path in made if stat.S_IMODE(path.stat().st_mode) & 0o077] == []
    assert shared.facts["pid"] == shared.process.pid
    assert all(is_alive(pid) for pid in shared.pids())
    assert set(shared.facts["credentials"]) == {"ci-runner", "ci-seeder"}
    assert all(service["exit"] is None for service in shared.facts["services"].values())


@pytest.mark.parametrize("service", ["aws", "catalog"])
def test_a_port_in_use_is_refused_at_once(tmp_path: Path, run_testbed: Callable[..., Running], service: str) -> None:
    """A port in use ends the start with exit code 3 and one line with port and remedy, before any process starts."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        refused = run_testbed(tmp_path / "state", f"--{service}-port", str(port))
        assert refused.ended() == 3
    [line] = refused.said
    assert f"port {port}" in line
    assert f"testbed_{service}_port" in line
    assert not (tmp_path / "state" / f"{service}.log").exists()


def test_a_port_that_cannot_exist_is_refused(tmp_path: Path, run_testbed: Callable[..., Running]) -> None:
    """A port above 65535 is a usage error with exit code 3 and no traceback."""
    refused = run_testbed(tmp_path, "--aws-port", "70000")
    assert refused.ended() == 3
    assert "70000" in refused.said[0]


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path, run_testbed: Callable[..., Running]) -> None:
    """A state directory below a file is a usage error that names it."""
    (tmp_path / "file").write_text("")
    refused = run_testbed(tmp_path / "file" / "state")
    assert refused.ended() == 3
    assert str(tmp_path / "file" / "state") in refused.said[0]


def test_damaged_secrets_are_a_usage_error(tmp_path: Path, run_testbed: Callable[..., Running]) -> None:
    """Damaged secrets are a usage error that names the file and the remedy."""
    (tmp_path / "secrets.json").write_text("{")
    refused = run_testbed(tmp_path)
    assert refused.ended() == 3
    assert "secrets.json" in refused.said[-1]
    assert "delete it" in refused.said[-1]


def test_a_dead_service_is_reported_and_the_other_goes_on(tmp_path: Path, run_testbed: Callable[..., Running]) -> None:
    """testbed.json records how a killed catalog ended. Storage still answers, and SIGTERM ends the rest."""
    running = run_testbed(tmp_path).await_ready()
    pids = running.pids()
    os.kill(running.facts["services"]["catalog"]["pid"], signal.SIGKILL)
    await_that(lambda: running.facts["services"]["catalog"]["exit"] is not None)
    assert running.facts["services"]["catalog"]["exit"] == -signal.SIGKILL
    assert running.facts["services"]["aws"]["exit"] is None
    assert any("`catalog` ended with -9" in line for line in running.said)
    s3_of(running.facts).list_objects_v2(Bucket="quilt-mcp-test-data")
    running.process.send_signal(signal.SIGTERM)
    assert running.ended() == 0
    assert not (tmp_path / "testbed.json").exists()
    assert not any(is_alive(pid) for pid in pids)


def test_state_survives_a_kill_and_a_cut_lifeline(tmp_path: Path, run_testbed: Callable[..., Running]) -> None:
    """Objects, versions, uploads, keys and secrets survive a kill and a closed lifeline. No process does."""
    first = run_testbed(tmp_path).await_ready()
    s3, facts, pids = s3_of(first.facts), first.facts, first.pids()
    where = {"Bucket": WORK, "Key": "kept"}
    versions = [s3.put_object(**where, Body=body)["VersionId"] for body in (b"1", b"2")]
    upload = where | {"UploadId": s3.create_multipart_upload(**where, Metadata={"a": "b"})["UploadId"]}
    gone = where | {"UploadId": s3.create_multipart_upload(**where)["UploadId"]}
    s3.upload_part(**upload, PartNumber=1, Body=b"wrong")
    s3.upload_part(**upload, PartNumber=1, Body=PART)
    s3.abort_multipart_upload(**gone)
    first.process.kill()
    second = run_testbed(tmp_path).await_ready()
    await_that(lambda: not any(is_alive(pid) for pid in pids))
    for name in ("control_token", "jwt_secret"):
        assert second.facts[name] == facts[name]
    assert not set(second.facts["refresh_tokens"].values()) & set(facts["refresh_tokens"].values())
    s3, keys = s3_of(second.facts), second.facts["credentials"]
    listed = s3.list_object_versions(Bucket=WORK, Prefix="kept")["Versions"]
    assert [version["VersionId"] for version in listed] == versions[::-1]
    assert [u["UploadId"] for u in s3.list_multipart_uploads(Bucket=WORK)["Uploads"]] == [upload["UploadId"]]
    s3.upload_part(**upload, PartNumber=2, Body=b"end")
    pids = second.pids()
    second.cut()
    assert second.ended() == 0
    assert not any(is_alive(pid) for pid in pids)
    third = run_testbed(tmp_path).await_ready()
    assert third.facts["credentials"] == keys, "a clean stop keeps the keys"
    s3 = s3_of(third.facts)
    parts = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in s3.list_parts(**upload)["Parts"]]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    got = s3.get_object(**where)
    assert (got["Body"].read() == PART + b"end", got["Metadata"]) == (True, {"a": "b"})
    assert list((tmp_path / "uploads").iterdir()) == []


def test_a_service_that_cannot_start_is_named(tmp_path: Path, run_testbed: Callable[..., Running]) -> None:
    """A service that fails to start ends the testbed with 1. The message holds its name, last log line and log path."""
    (tmp_path / "calls").write_text("")
    refused = run_testbed(tmp_path)
    assert refused.ended() == 1
    assert "`aws` did not start: FileExistsError" in refused.said[-1]
    assert str(tmp_path / "aws.log") in refused.said[-1]


@pytest.mark.parametrize(
    ("step", "error", "sentence"),
    [
        ("provision", ProvisioningError("The bucket `b` reads back as x."), "Provisioning failed: The bucket `b`"),
        ("self_test", SelfTestError("The probe `p` answered x."), "The self-test failed: The probe `p`"),
    ],
)
def test_a_step_that_fails_is_named_and_everything_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: Exception, sentence: str
) -> None:
    """A failed step raises `StartError` with its sentence and exit code 1, and the services already started end."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(supervisor, step, fail)
    testbed = supervisor.Testbed(tmp_path, {})
    try:
        with pytest.raises(StartError, match=sentence) as caught:
            testbed.start()
    finally:
        testbed.stop()
    assert caught.value.exit_code == 1
    assert all(service.process.poll() is not None for service in testbed.services.values())
    assert not (tmp_path / "testbed.json").exists()


def test_a_service_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that ignores SIGTERM is killed at the deadline."""
    monkeypatch.setattr(supervisor, "STOP_DEADLINE_S", 0.2)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    testbed = supervisor.Testbed(tmp_path, {})
    testbed.services["deaf"] = supervisor.Service("deaf", "", process)
    testbed.stop()
    assert process.returncode == -signal.SIGKILL
