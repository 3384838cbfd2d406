"""Serve the AWS service: `python -m testbed.aws`, configured by the supervisor's environment variables."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.faults.control import CallLog
from testbed.serving import serve

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    """Set ministack's environment before its import, then serve it inside our layers."""
    state, port = Path(os.environ["TESTBED_STATE_DIR"]), int(os.environ["TESTBED_PORT"])
    os.environ |= environment(state, port)
    from ministack.app import app as ministack  # noqa: PLC0415 - it reads the environment at import

    from testbed.athena.mounting import mount_athena  # noqa: PLC0415 - it imports ministack, as above
    from testbed.aws.app import Layers  # noqa: PLC0415 - after the environment is set
    from testbed.aws.app import new_faults  # noqa: PLC0415 - as above
    from testbed.aws.defects_of_rights import watch_rights  # noqa: PLC0415 - as above
    from testbed.aws.inside import put_right  # noqa: PLC0415 - as above
    from testbed.aws.uploads import keep_uploads  # noqa: PLC0415 - as above

    put_right()
    keep_uploads(state / "uploads")
    calls, faults = CallLog(state / "calls" / "aws.jsonl"), new_faults()
    mount_athena(f"http://127.0.0.1:{port}", state, faults)
    watch_rights(faults.is_on)
    app = Layers(ministack, os.environ["TESTBED_CONTROL_TOKEN"], calls, faults, owner_lookup(state / "keys.json"))
    sys.exit(serve(app, port))


def environment(state: Path, port: int) -> dict[str, str]:
    """Return ministack's settings: only the services of the testbed, all on its one port.

    Otherwise its MQTT and SFTP servers listen on every address, and its other services start processes and containers.
    At start it removes Docker containers that it takes for its own; DOCKER_HOST names no socket, so it finds none.
    """
    return {
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "AUTH": "true",
        "SERVICES": "athena,glue,iam,s3,sts",
        "IOT_MTLS_ENABLED": "false",
        "SFTP_ENABLED": "false",
        "SFTP_HOST": "127.0.0.1",
        "DOCKER_HOST": f"unix://{state / 'no-docker.sock'}",
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(state / "s3"),
        "PERSIST_STATE": "1",
        "STATE_DIR": str(state / "ministack"),
        "LOG_LEVEL": os.environ.get("TESTBED_LOG_LEVEL", "ERROR"),
    }


def owner_lookup(path: Path) -> Callable[[str], str]:
    """Return a function from access key to user: an IAM user, or the session name of an assumed role.

    The keys file is read again for an unknown key.
    """
    known: dict[str, str] = {}

    def owner(access_key: str) -> str:
        if access_key not in known:
            keys = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
            known.update({key["access_key_id"]: name for name, key in keys.items()})
            known.setdefault(access_key, _session_name(access_key) or access_key[:4])
        return known[access_key]

    return owner


def _session_name(access_key: str) -> str:
    from ministack.services import sts  # noqa: PLC0415 - it reads the environment at import

    return str(sts._sessions.get(access_key, {}).get("Arn", "")).rpartition("/")[2]  # noqa: SLF001 - no public way


if __name__ == "__main__":
    main()
