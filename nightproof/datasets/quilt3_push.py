"""A child process that pushes one package by reference with the quilt3 library; JSON in, top hash out."""

from __future__ import annotations

import json
import sys

import quilt3


def main() -> None:
    """Read the request, push, write the hash as the last line."""
    request = json.load(sys.stdin)
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
    sys.stdout.write(f"\n{pushed.top_hash}\n")


if __name__ == "__main__":
    main()
