"""`python -m testbed --state-dir DIR`: start the embedded systems and run until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from testbed.serving import watch_lifeline
from testbed.statedir import StartError
from testbed.supervisor import Testbed
from testbed.supervisor import say


def main() -> int:
    """Start, wait, stop; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m testbed", description="The embedded systems of nightproof.")
    parser.add_argument("--state-dir", type=Path, required=True, help="keeps objects, catalog and keys between starts")
    parser.add_argument("--aws-port", type=int, default=0, help="0: any free port")
    parser.add_argument("--catalog-port", type=int, default=0, help="0: any free port")
    given = parser.parse_args()
    os.umask(0o077)  # objects, tables, keys and logs are readable by their owner only
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    watch_lifeline(ended.set)
    testbed = Testbed(given.state_dir.absolute(), {"aws": given.aws_port, "catalog": given.catalog_port})
    try:
        testbed.start()
        say("ready")
        testbed.wait(ended)
    except StartError as error:
        say(str(error))
        return error.exit_code
    finally:
        testbed.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
