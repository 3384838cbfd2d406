"""Kill one process of a night at a moment and see what is left: `python -m bench.kills --suite suites/backend`.

Each round runs a night on a state directory of its own, draws a process and a moment (or takes the given process), and
sends SIGKILL. It then measures how long the command stays, what still runs after 30 s, and whether a report exists.
With `--next` another night runs on the state directory. Its exit code and stored objects are compared with those of an
undisturbed night.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nightproof.config.loader import load
from nightproof.lifeline import is_alive
from nightproof.target import open_target

LIMIT_S: Final = 30.0
START_S: Final = 600.0
POLL_S: Final = 0.2
KINDS: Final = {  # process kind to a part of its command line
    "run": "deployments.cli run",
    "server": "uvicorn",
    "testbed": "-m testbed ",
    "aws": "-m testbed.aws",
    "catalog": "-m testbed.catalog",
    "launcher": "launcher",
}


def processes(state: Path) -> dict[int, str]:
    """Return the live processes, by id, whose command line or environment holds the state directory."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            known = command + (entry / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(state) in known and int(entry.name) != os.getpid() and is_alive(int(entry.name)):
            found[int(entry.name)] = command
    return found


@dataclass(frozen=True, slots=True)
class Subject:
    """The suite and backend of every night of a series."""

    suite: Path
    backend: str  # empty for all

    def start(self, folder: Path) -> subprocess.Popen[bytes]:
        """Start a night over the suite on a testbed of its own."""
        profile = folder / "kills.toml"
        profile.write_text(f'target = "embedded"\nstate_dir = "{folder}/state"\n[[suite]]\npath = "{self.suite}"\n')
        command = [sys.executable, "-m", "deployments.cli", "run", "--no-notify", "--profile", str(profile)]
        command += ["--backend", self.backend] if self.backend else []
        with (folder / "out").open("ab") as out:
            return subprocess.Popen(command, stdout=out, stderr=out)


def stored(folder: Path) -> Counter[str]:
    """Return the number of versions and delete markers per key of each bucket, listed on a testbed started for this."""
    found = load(str(folder / "kills.toml"), for_tests=False)
    target = open_target(found.profile, found.secrets)
    try:
        s3, counts = target.seeder_s3(), Counter[str]()
        for bucket in s3.list_buckets()["Buckets"]:
            for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket["Name"]):
                for one in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                    counts[f"{bucket['Name']}/{one['Key']}"] += 1
        return counts
    finally:
        target.stop()


def undisturbed(subject: Subject) -> Counter[str]:
    """Return the stored objects after two undisturbed nights; raise SystemExit unless both exit with 0."""
    with tempfile.TemporaryDirectory(prefix="np-kills-") as name:
        for number in ("first", "second"):
            if code := subject.start(Path(name)).wait():
                raise SystemExit(f"The {number} undisturbed night ended with {code}: {tail(Path(name))}")
        return stored(Path(name))


def tail(folder: Path) -> str:
    """Return the last 500 characters that the nights of a folder printed."""
    return (folder / "out").read_text()[-500:]


def next_night(folder: Path, subject: Subject, expected: Counter[str]) -> str:
    """Run another night on a killed one's state directory; return its exit code and the keys that differ."""
    code, now = subject.start(folder).wait(), stored(folder)
    differing = sorted((now - expected) | (expected - now))
    return f"{code} | {len(differing)} of {len(expected)} {' '.join(differing[:3])}".rstrip()


def start(folder: Path, subject: Subject) -> subprocess.Popen[bytes]:
    """Start a night; return once its tests run."""
    night = subject.start(folder)
    deadline = time.monotonic() + START_S
    while not any(KINDS["launcher"] in command for command in processes(folder).values()):
        if night.poll() is not None or time.monotonic() > deadline:
            night.kill()
            raise SystemExit(f"The night did not reach its tests: {tail(folder)}")
        time.sleep(POLL_S)
    return night


def kill_once(kind: str, delay_s: float, subject: Subject, expected: Counter[str] | None) -> str:
    """Run one round; return its line of the table. `expected` is what the next night must store, None without one."""
    with tempfile.TemporaryDirectory(prefix="np-kills-") as name:
        folder = Path(name)
        night = start(folder, subject)
        time.sleep(delay_s)
        victims = [pid for pid, command in processes(folder).items() if KINDS[kind] in command]
        for victim in victims[:1]:
            os.kill(victim, signal.SIGKILL)
        killed = time.monotonic()
        while (night.poll() is None or processes(folder)) and time.monotonic() < killed + LIMIT_S:
            time.sleep(POLL_S)
        took, left = time.monotonic() - killed, processes(folder)
        report = (folder / "state" / "runs" / "latest" / "report.json").is_file()
        line = f"| {kind} | {delay_s:.1f} | {len(victims[:1])} | {night.poll()} | {took:.1f} | {len(left)} | {report} |"
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        night.wait()
        return line if expected is None else f"{line} {next_night(folder, subject, expected)} |"


def main() -> None:
    """Print a table of all rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", type=Path, required=True, help="the folder of a suite")
    parser.add_argument("--kind", choices=sorted(KINDS), action="append", help="only this process; may be repeated")
    parser.add_argument("--random", type=int, default=0, help="rounds with a drawn process beside those by kind")
    parser.add_argument("--seed", type=int, default=0, help="the same seed draws the same processes and moments")
    parser.add_argument("--backend", default="", help="only this one")
    parser.add_argument("--next", action="store_true", help="look at the next night and at what is stored then, too")
    parser.add_argument("--latest", type=float, default=20.0, help="seconds after the first test, at most")
    given = parser.parse_args()
    draw = random.Random(given.seed)  # noqa: S311 - a draw that can be repeated
    kinds = (given.kind or sorted(KINDS)) + [draw.choice(sorted(KINDS)) for _ in range(given.random)]
    subject = Subject(given.suite.absolute(), given.backend)
    expected = undisturbed(subject) if given.next else None
    columns = ["killed", "after, s", "hit", "exit", "gone after, s", "left", "report"]
    columns += ["next exit", "keys stored differently"] if given.next else []
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")  # noqa: T201
    for kind in kinds:
        print(kill_once(kind, draw.uniform(0, given.latest), subject, expected), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
