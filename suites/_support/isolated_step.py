"""One step of a test in its own process: a JSON request on stdin, a JSON answer as the last line of stdout."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from dataclasses import asdict
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[2]))  # Python puts only the script's folder on the path

from nightproof import quilt
from suites._support import large_step
from suites._support.exploring import explore
from suites._support.library_step import library

KILOBYTE: Final = 1024  # Linux reports ru_maxrss in this unit
SERVER_FAR_FUTURE: Final = 4_000_000_000


def main() -> None:
    """Run the step of the request and write its answer."""
    request = json.load(sys.stdin)
    answer = STEPS[request["step"]](request)
    sys.stdout.write(f"\n{json.dumps(answer)}\n")


def construct(request: dict[str, Any]) -> quilt.QuiltOps:
    """Return a client built from the request; an empty set of credentials means none."""
    given = request.get("credentials")
    return quilt.create_quilt_ops(
        request["backend"],
        catalog_url=request["catalog_url"],
        registry=request["registry"],
        credentials=quilt.Credentials(**given) if given else None,
        timeouts=quilt.Timeouts(**request["timeouts"]) if request.get("timeouts") else None,
    )


def status(request: dict[str, Any]) -> dict[str, Any]:
    """Sign quilt3 in as a person would, then return the auth status of a client without credentials."""
    if request.get("refresh_token"):
        import quilt3  # noqa: PLC0415 - the precondition is a session that quilt3 itself made

        quilt3.config(request["catalog_url"])
        quilt3.session.login_with_token(request["refresh_token"])
    return asdict(construct(request).get_auth_status())


def missing(request: dict[str, Any]) -> dict[str, Any]:
    """Return the error of constructing a client without any session."""
    if request["backend"] == "quilt3":
        _write_local_state(request)
    return _error_of(lambda: construct(request))


def stale(request: dict[str, Any]) -> dict[str, Any]:
    """Return the error of the first operation with the given access token; the construction must succeed."""
    if request["backend"] == "quilt3":
        _write_local_state(request, access_token=request["access_token"])
    else:
        request = request | {"credentials": {"access_token": request["access_token"]}}
    ops = construct(request)
    return _error_of(ops.list_buckets)


def browse(request: dict[str, Any]) -> dict[str, Any]:
    """Browse one level of a package; return the items, the seconds and the growth of peak memory in bytes."""
    ops = construct(request)
    # Signs in and opens connections before the measurement.
    ops.list_all_packages(request["registry"])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    items = ops.browse_content(request["package"], request["registry"], request["path"])
    seconds = time.monotonic() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * KILOBYTE
    return {"items": [asdict(item) for item in items], "seconds": seconds, "grown_bytes": grown}


def measured(request: dict[str, Any]) -> dict[str, Any]:
    """Run calls in sequence; return results, seconds of each, and the growth of peak memory over all in bytes."""
    ops = construct(request)
    ops.get_auth_status()  # signs in before the clock starts
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds, results = [], []
    for operation, arguments, options in request["calls"]:
        began = time.monotonic()
        results.append(getattr(ops, operation)(*arguments, **options))
        seconds.append(time.monotonic() - began)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * KILOBYTE
    return {"results": [_plain(result) for result in results], "seconds": seconds, "grown_bytes": grown}


def _plain(result: Any) -> Any:
    if isinstance(result, list):
        return [_plain(item) for item in result]
    return asdict(result) if is_dataclass(result) and not isinstance(result, type) else result


def explored(request: dict[str, Any]) -> dict[str, Any]:
    """Return all that can be read of a package."""
    return explore(construct(request), request["package"], request["registry"], request["folders"])


def large(request: dict[str, Any]) -> dict[str, Any]:
    """Read large data; return the answers, the seconds and the growth of peak memory."""
    return large_step.large(construct(request), request)


def attempt(request: dict[str, Any]) -> dict[str, Any]:
    """Create a package; return the seconds it took, and the error if it failed."""
    ops = construct(request)
    ops.get_auth_status()  # signs in before the clock starts
    given, said = (request["package"], request["registry"], request["entries"]), {"message": request["message"]}
    began = time.monotonic()
    error = _error_of(lambda: ops.create_package_revision(*given, **said))
    return error | {"seconds": time.monotonic() - began}


def _error_of(act: Any) -> dict[str, Any]:
    try:
        act()
    except quilt.QuiltOpsError as error:
        return {"class": type(error).__name__, "message": error.message, "context": error.context}
    return {"class": None}


def _write_local_state(request: dict[str, Any], access_token: str | None = None) -> None:
    """Write quilt3's configuration and, with a token, an unexpired session with a dead refresh token."""
    folder = Path(os.environ["XDG_DATA_HOME"]) / "Quilt"
    folder.mkdir(parents=True)
    config = {"navigator_url": request["catalog_url"], "registryUrl": request["registry_url"]}
    (folder / "config.yml").write_text(json.dumps(config), encoding="utf-8")
    if access_token is not None:
        session = {"access_token": access_token, "refresh_token": "revoked", "expires_at": SERVER_FAR_FUTURE}
        (folder / "auth.json").write_text(json.dumps({request["registry_url"]: session}), encoding="utf-8")


STEPS: Final = {
    "status": status,
    "missing": missing,
    "stale": stale,
    "browse": browse,
    "measured": measured,
    "library": library,
    "large": large,
    "explore": explored,
    "attempt": attempt,
}

if __name__ == "__main__":
    main()
