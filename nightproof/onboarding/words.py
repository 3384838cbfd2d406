"""The output of `init`: findings, written files, review hints, and the next command."""

from __future__ import annotations

import os
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from nightproof.onboarding.draft import UNNAMED_PEER
from nightproof.verdict.sentences import listed
from nightproof.verdict.sentences import plural
from nightproof.verdict.sentences import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nightproof.onboarding.init import Setup

RERUNNING: Final = frozenset({"pytest-rerunfailures", "flaky", "pytest-retry"})
WIDTH: Final = 100
MOST_REASONS: Final = 4


def next_command(setup: Setup) -> str:
    """Return the command that runs the first night from the working directory."""
    return shlex.join(["nightproof", "run", "--profile", _shown(setup.profile)])


def as_data(setup: Setup) -> dict[str, Any]:
    """Return everything as JSON data."""
    tests = setup.catalogue.tests.values()
    return {
        "suite": str(setup.place.suite),
        "interpreter": str(setup.place.python or "ours"),
        "versions": setup.versions,
        "tests": len(tests),
        "skips": {test.id: test.skip for test in tests if test.skip},
        "xfails": {test.id: test.xfail for test in tests if test.xfail},
        "deselected": setup.catalogue.deselected,
        "skips_in_bodies": setup.found.skips_in_bodies,
        "clients": list(setup.found.clients),
        "clients_outside_python": list(setup.found.outside),
        "variables": {one.name: one.where for one in setup.found.variables.values()},
        "literal_urls": setup.found.origins,
        "time_limits": setup.found.limits,
        "rerun_plugins": sorted(RERUNNING & set(setup.plugins)),
        "endpoints": [asdict(address) for address in setup.draft.addresses],
        "written": [str(setup.profile), str(setup.suite_toml), str(setup.lock)],
        "review": list(_review(setup)),
        "next": next_command(setup),
    }


def render(setup: Setup) -> str:
    """Return everything for a person, on one screen."""
    rows = [(title, text) for title, text in _found(setup) if text]
    lines = [f"Found in {_shown(setup.place.suite)}:"]
    lines += [f"  {title:<14}{shorten(text, WIDTH)}" for title, text in rows]
    lines += ["Wrote:", *(f"  {_shown(path)}" for path in (setup.profile, setup.suite_toml, setup.lock))]
    lines += ["Review:", *(f"  - {line}" for line in _review(setup))]
    return "\n".join([*lines, f"Next: {next_command(setup)}"])


def _found(setup: Setup) -> Iterator[tuple[str, str]]:
    found, told = setup.found, setup.versions
    own = _shown(setup.place.python) if setup.place.python else "nightproof's own: the project has no .venv or venv"
    yield "interpreter", f"{own} (Python {told['python']}, pytest {told['pytest']})"
    tests = list(setup.catalogue.tests.values())
    yield "tests", f"{plural(len(tests), 'test')}, {plural(found.modules, 'module')} read"
    marked = [("skip", test.id, test.skip) for test in tests if test.skip]
    marked += [("xfail", test.id, test.xfail) for test in tests if test.xfail]
    for kind, many in (("skip", "skips"), ("xfail", "xfails")):
        reasons = [f"{name.partition('/')[2]} ({reason})" for mark, name, reason in marked if mark == kind]
        yield many, f"{len(reasons)}: {listed(reasons[:MOST_REASONS], WIDTH - 5)}" if reasons else ""
    left_out = setup.catalogue.deselected
    yield "left out", f"{len(left_out)} by {listed(sorted(set(left_out.values())), WIDTH - 8)}" if left_out else ""
    yield "time limits", listed(found.limits, WIDTH)
    yield "reruns by", ", ".join(sorted(RERUNNING & set(setup.plugins)))
    yield "asks with", ", ".join((*found.clients, *found.outside))
    yield "variables", listed([f"{one.name} ({one.where})" for one in found.variables.values()], WIDTH)
    yield "literal URLs", listed([f"{url} ({where})" for url, where in found.origins.items()], WIDTH)


def _review(setup: Setup) -> Iterator[str]:
    found, addresses = setup.found, setup.draft.addresses
    for one in addresses:
        own = f", given to the tests as {one.variable}" if one.variable else ""
        yield f"endpoint `{one.name}`: {one.url}{own}; only answers from there count"
    if not addresses:
        yield f"no endpoint: fill in [endpoints.urls] in the profile; {UNNAMED_PEER}"
    missing = [name for name in found.variables if name not in setup.draft.variables]
    if missing:
        yield f"set in [suite.env], or as a name in [[suite]] secrets: {listed(missing, WIDTH)}"
    marks = [test for test in setup.catalogue.tests.values() if test.skip or test.xfail]
    if marks:
        number = plural(len(marks), "skip or xfail", "skips and xfails")
        yield f"{number} in the lock by reason: one with another reason is failed until it is registered"
    if found.skips_in_bodies:
        number = plural(found.skips_in_bodies, "place skips", "places skip")
        yield f"{number} in a body: register those after the first night with `{_registering(setup)}`"
    if found.outside:
        yield f"{', '.join(found.outside)}: no Python socket may show it, see docs/your-own-suite.md on what counts"
    yield "`owner` in the profile; commit the three files, and leave `.nightproof/` out of version control"


def _registering(setup: Setup) -> str:
    words = ["nightproof", "catalogue", "--profile", _shown(setup.profile), "--update", "--from-run", "latest"]
    return shlex.join(words)


def _shown(path: Path) -> str:
    """Return a path relative to the working directory if it lies below, else in full."""
    here = Path.cwd()
    return os.path.relpath(path, here) if path.is_relative_to(here) else str(path)
