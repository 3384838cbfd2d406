"""Kill one process of a night at a moment and see what is left: `python -m bench.kills --suite suites/backend`.

Each round runs a night on a state directory of its own, draws a process and a moment (or takes those that are named),
sends SIGKILL, and looks: how long the command stays, what still runs after 30 s, whether a report says what happened.
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
from pathlib import Path
from typing import Final

from nightproof.lifeline import is_alive

LIMIT_S: Final = 30.0
START_S: Final = 600.0
POLL_S: Final = 0.2
KINDS: Final = {  # by what their command line holds
    "run": "deployments.cli run",
    "server": "uvicorn",
    "testbed": "-m testbed ",
    "aws": "-m testbed.aws",
    "catalog": "-m testbed.catalog",
    "launcher": "launcher",
}


def processes(state: Path) -> dict[int, str]:
    """Return the live processes that carry a state directory in command line or environment, with command lines."""
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


def start(folder: Path, suite: Path) -> subprocess.Popen[bytes]:
    """Start a night over one suite on a testbed of its own; return once its tests run."""
    profile = folder / "kills.toml"
    profile.write_text(f'target = "embedded"\nstate_dir = "{folder}/state"\n[[suite]]\npath = "{suite}"\n')
    command = [sys.executable, "-m", "deployments.cli", "run", "--no-notify", "--profile", str(profile)]
    with (folder / "out").open("wb") as out:
        night = subprocess.Popen(command, stdout=out, stderr=out)
    deadline = time.monotonic() + START_S
    while not any(KINDS["launcher"] in command for command in processes(folder).values()):
        if night.poll() is not None or time.monotonic() > deadline:
            night.kill()
            raise SystemExit(f"The night did not reach its tests: {(folder / 'out').read_text()[-500:]}")
        time.sleep(POLL_S)
    return night


def kill_once(kind: str, delay_s: float, suite: Path) -> str:
    """Run one round; return its line of the table."""
    with tempfile.TemporaryDirectory(prefix="np-kills-") as name:
        folder = Path(name)
        night = start(folder, suite)
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
        return line


def main() -> None:
    """Print a table of all rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suite", type=Path, required=True, help="the folder of a suite")
    parser.add_argument("--kind", choices=sorted(KINDS), action="append", help="only this process; may be repeated")
    parser.add_argument("--random", type=int, default=0, help="rounds with a drawn process beside those by kind")
    parser.add_argument("--seed", type=int, default=0, help="the same seed draws the same processes and moments")
    parser.add_argument("--latest", type=float, default=20.0, help="seconds after the first test, at most")
    given = parser.parse_args()
    draw = random.Random(given.seed)  # noqa: S311 - a draw that can be repeated
    kinds = (given.kind or sorted(KINDS)) + [draw.choice(sorted(KINDS)) for _ in range(given.random)]
    print("| killed | after, s | hit | exit | gone after, s | left | report |\n|---|---|---|---|---|---|---|")  # noqa: T201
    for kind in kinds:
        print(kill_once(kind, draw.uniform(0, given.latest), given.suite.absolute()), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
