"""A second catalog in its own process, over the storage of the running testbed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import TYPE_CHECKING

from testbed.supervisor import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from nightproof.target import Target


@dataclass
class Another:
    """A catalog with its database in `state`, or at the URL `database`. It keeps its port over restarts."""

    beside: Target
    state: Path
    database: str = ""
    port: int = field(default_factory=free_port)

    @property
    def target(self) -> Target:
        """Return the testbed's description with this catalog in place of the testbed's own."""
        facts = self.beside.facts
        services = facts["services"] | {"catalog": {"url": f"http://127.0.0.1:{self.port}"}}
        return replace(self.beside, facts=facts | {"services": services})

    def start(self) -> subprocess.Popen[str]:
        """Start the catalog, wait until it is ready and return its process."""
        command = [sys.executable, "-m", "testbed.catalog"]
        process = subprocess.Popen(command, env=self._environment(), stdout=subprocess.PIPE, text=True)
        assert process.stdout
        assert process.stdout.readline().startswith("ready ")
        return process

    def _environment(self) -> dict[str, str]:
        facts = self.beside.facts
        kept = self.beside.state_dir / "testbed" / "keys.json"
        key = json.loads(kept.read_text(encoding="utf-8"))["catalog-service"]
        return os.environ | {
            "AWS_ENDPOINT_URL": facts["services"]["aws"]["url"],
            "AWS_ACCESS_KEY_ID": key["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": key["secret_access_key"],
            "AWS_DEFAULT_REGION": "us-east-1",
            "TESTBED_JWT_SECRET": facts["jwt_secret"],
            "TESTBED_SEED_REFRESH_TOKENS": json.dumps(facts["refresh_tokens"]),
            "TESTBED_STATE_DIR": str(self.state),
            "TESTBED_PORT": str(self.port),
            "TESTBED_CONTROL_TOKEN": facts["control_token"],
            "TESTBED_DATABASE_URL": self.database,
        }
