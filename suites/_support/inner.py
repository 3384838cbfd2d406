"""A nested pytest: a child process that runs a generated file on the same target.

The outer test looks at what the nested tests left behind. The nested pytest writes its own ledger below the folder of
the night's ledger. The night's cleanup therefore deletes whatever is left.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from suites._support.settings import Settings

ROOT: Final = Path(__file__).parents[2]
DEADLINE_S: Final = 120
CONFTEST: Final = "from suites._support.fixtures import *  # noqa: F403 - as every suite of the target\n"
# Variables that make a process part of the running night; the rest of the environment describes the target.
OF_THE_NIGHT: Final = (
    "NIGHTPROOF_SELECT", "NIGHTPROOF_SUITE_CONFIG", "NIGHTPROOF_CATALOGUE_OUT", "NIGHTPROOF_LIFELINE_FD",
    "NIGHTPROOF_SESSION", "NIGHTPROOF_CACHE_DIR",
    "NIGHTPROOF_TEST_ID", "NIGHTPROOF_TEST_PHASE", "NIGHTPROOF_TEST_CHANNEL", "NIGHTPROOF_CHILD_COUNTS",
    "PYTEST_CURRENT_TEST",
)  # fmt: skip
# A bare pytest makes its run id up. The cleanup accepts only ids of nights: no 0, 1, 8 or 9 in their last part.
OF_A_NIGHT: Final = str.maketrans("0189", "ghij")


@dataclass(frozen=True)
class Done:
    """Exit status and output of a child process."""

    exit: int
    output: str


@dataclass(frozen=True)
class Resource:
    """A resource of the ledger: what it is, when its intent was written, and its last state."""

    kind: str
    locator: Mapping[str, str]
    intended: str
    state: str
    detail: str

    @property
    def intended_s(self) -> float:
        """Return the time of the intent, in seconds since 1970."""
        return datetime.fromisoformat(self.intended).timestamp()

    @property
    def title(self) -> str:
        """Return the resource as the sweeper's report names it."""
        return f"{self.kind} " + "/".join(self.locator.values())

    @property
    def place(self) -> tuple[str, str]:
        """Return the bucket and the key prefix of the resource in S3."""
        bucket = self.locator.get("bucket") or self.locator["registry"].removeprefix("s3://")
        below = {"object": "{key}", "prefix": "{prefix}", "package": ".quilt/named_packages/{name}/",
                 "manifest": ".quilt/packages/{hash}"}[self.kind]  # fmt: skip
        return bucket, below.format(**self.locator)


class Inner:
    """Runs generated suites of one run id, and the cleanup of what they left."""

    def __init__(self, folder: Path, run_id: str, backend: str, target: Settings, keys: Mapping[str, str]) -> None:
        stamp, _, end = run_id.removeprefix("adhoc-").partition("-")
        self.run_id = f"{stamp}-{end.translate(OF_A_NIGHT)}"
        self._folder = folder.absolute()
        self._backend = backend
        self._target = target
        self._env = {name: value for name, value in os.environ.items() if name not in OF_THE_NIGHT} | dict(keys)

    def run(self, case: str, source: str) -> Done:
        """Run one generated test file to its end, whatever the exit status."""
        suite = self._folder / "suites" / case
        suite.mkdir(parents=True)
        (suite / "conftest.py").write_text(CONFTEST, encoding="utf-8")
        (suite / "suite.toml").write_text(f'name = "inner"\nbackends = ["{self._backend}"]\n', encoding="utf-8")
        (suite / "test_inner.py").write_text(source, encoding="utf-8")
        own = {
            "NIGHTPROOF_RUN_ID": self.run_id,
            "NIGHTPROOF_LEDGER": str(self._ledger(case)),
            "NIGHTPROOF_EVENT_LOG": str(suite / "inner-events.jsonl"),
            "NIGHTPROOF_EVIDENCE_DIR": str(suite / "evidence"),
        }
        options = ["--import-mode=importlib", "-p", "no:cacheprovider", "-s", f"--rootdir={suite}", "-c", os.devnull]
        command = [sys.executable, "-m", "pytest", str(suite), "--nightproof-backend", self._backend, *options]
        return self._done([*command, f"--basetemp={suite / 'tmp'}"], own)

    def clean(self) -> tuple[int, dict[str, Any]]:
        """Run the sweeper over all ledgers of the run; return its exit status and report, {} if there is none."""
        profile = self._folder / "profile.toml"
        profile.write_text(self._profile(), encoding="utf-8")
        newest = self._folder / "tokens"  # newer than the environment's, which may be used up
        if self._target.tokens and not newest.is_symlink():
            newest.symlink_to(self._target.tokens, target_is_directory=True)
        tokens = {
            "NIGHTPROOF_REFRESH_TOKEN": os.environ["QUILT_TEST_REFRESH_TOKEN"],
            "NIGHTPROOF_ADMIN_REFRESH_TOKEN": os.environ["QUILT_TEST_ADMIN_REFRESH_TOKEN"],
        }
        command = [str(Path(sys.executable).with_name("nightproof")), "cleanup", "-p", str(profile)]
        asked = ["--run-id", self.run_id, "--min-age-hours", "0", "--apply", "--json"]
        done = self._done([*command, *asked], tokens)
        start = done.output.find("{")
        return done.exit, json.loads(done.output[start : done.output.rfind("}") + 1]) if start >= 0 else {}

    def resources(self, case: str = "") -> list[Resource]:
        """Return the resources in the ledger of one case, in the state that the sweeper left them.

        Without a case: the resources of all ledgers of the run, the sweeper's own included.
        """
        lines = [line for path in self._run.rglob("ledger.jsonl") for line in _lines(path)]
        found: dict[str, Resource] = {}
        for line in sorted(lines, key=lambda line: str(line["at"])):
            first = found.get(line["id"])
            intended = first.intended if first else line["at"]
            found[line["id"]] = Resource(
                line["kind"], line["locator"], intended, line["event"], line.get("detail", "")
            )  # fmt: skip
        own = {line["id"] for line in _lines(self._ledger(case))}
        return [resource for identity, resource in found.items() if not case or identity in own]

    def test_of(self, name: str) -> str:
        """Return the part of the test header by which the call log knows a generated test's first attempt."""
        attempt = os.environ.get("NIGHTPROOF_PASS", "1")
        digest = hashlib.sha256(f"{self._backend}:inner/test_inner::{name}".encode()).hexdigest()[:16]
        return f"{self.run_id}:{attempt}:{digest}"

    @property
    def _run(self) -> Path:
        return self._folder / "runs" / self.run_id

    def _ledger(self, case: str) -> Path:
        return self._run / case / "ledger.jsonl"

    def _done(self, command: list[str], more: Mapping[str, str]) -> Done:
        env = self._env | dict(more)
        done = subprocess.run(
            command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S, check=False
        )  # fmt: skip
        return Done(done.returncode, done.stdout + done.stderr)

    def _profile(self) -> str:
        target = self._target
        names = {
            "region": target.region, "bucket_data": target.data, "bucket_scratch": target.scratch,
            "bucket_packages": target.packages, "bucket_work": target.work, "bucket_perf": target.perf,
            "bucket_private": target.private, "bucket_west": target.west, "user": target.user,
            "admin": target.admin_user, "glue_database": target.glue_database,
        }  # fmt: skip
        endpoints = {"catalog": target.catalog_url, "aws": os.environ.get("AWS_ENDPOINT_URL", "")}
        head = {"target": "live", "needs": ["write", "admin"], "state_dir": str(self._folder)}
        return "\n".join([*_toml(head), "[endpoints]", *_toml(endpoints), "[names]", *_toml(names), ""])


def _toml(values: Mapping[str, Any]) -> list[str]:
    return [f"{name} = {json.dumps(value)}" for name, value in values.items()]


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
