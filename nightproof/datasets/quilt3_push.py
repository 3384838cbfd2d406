"""A child process that pushes packages by reference with the quilt3 library; a line of JSON in, a top hash out.

It ends with the pipe, in the middle of a push too: a push that nobody waits for any more must not appear later.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from queue import SimpleQueue
from typing import Any

import quilt3


def push(request: dict[str, Any]) -> str:
    """Push one package and return its hash."""
    package = quilt3.Package()
    for key, uri in request["entries"].items():
        package.set(key, uri)
    if request["metadata"] is not None:
        package.set_meta(request["metadata"])
    pushed = package.push(
        request["name"],
        registry=request["registry"],
        message=request["message"],
        selector_fn=lambda *_: False,
        force=True,
    )
    return str(pushed.top_hash)


def main() -> None:
    """Answer every line of stdin on stdout; what the library prints goes to stderr."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    lines: SimpleQueue[str] = SimpleQueue()

    def listen() -> None:
        for line in sys.stdin:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        answers.write(f"{push(json.loads(lines.get()))}\n")
        answers.flush()


if __name__ == "__main__":
    main()
