"""The profile and the suite.toml of a new suite, as text."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Final
from urllib.parse import urlsplit

from pydantic import TypeAdapter
from pydantic import ValidationError

from nightproof.config import grammar
from nightproof.errors import UsageError
from nightproof.onboarding.place import NAMELESS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Mapping
    from pathlib import Path

    from nightproof.onboarding.place import Place
    from nightproof.onboarding.survey import Survey
    from nightproof.onboarding.survey import Variable

OURS: Final = "NIGHTPROOF_URL_"
UNNAMED_PEER: Final = "until then an answer of any peer counts as the system's"
LONGEST_NAME: Final = 64


@dataclass(frozen=True, slots=True)
class Address:
    """A URL of the system: its name in the profile, and the suite's own variable for it, or ""."""

    name: str
    url: str
    variable: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """The files to write, before anything is written."""

    name: str
    addresses: tuple[Address, ...]
    profile: str
    suite: str

    @property
    def variables(self) -> frozenset[str]:
        """The environment variables that pass an address to the tests."""
        named = {f"{OURS}{re.sub(r'[^A-Z0-9]+', '_', one.name.upper())}" for one in self.addresses}
        return frozenset(named | {one.variable for one in self.addresses if one.variable})


def make_draft(place: Place, found: Survey, urls: Iterable[str], folder: Path) -> Draft:
    """Return the drafts for a profile in `folder`; raise UsageError for an invalid URL."""
    name = _plain_name(place.root.name if place.suite.name in NAMELESS else place.suite.name)
    given = [_parse(url) for url in urls] or [("", url) for url in found.origins]
    addresses = tuple(_named(given, found.variables.values()))
    return Draft(name, addresses, _profile(name, place, addresses, folder), _suite(name))


def _parse(given: str) -> tuple[str, str]:
    """Split `NAME=URL` into variable and URL; raise UsageError unless the URL may be in a profile."""
    name, equals, rest = given.partition("=")
    variable, url = (name, rest) if equals and grammar.VARIABLE.fullmatch(name) else ("", given)
    try:
        TypeAdapter(grammar.Address).validate_python(url)
    except ValidationError as error:
        why = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise UsageError(f"`--url {given}` cannot be used: {why}. Give `https://host:port` or `NAME=URL`.") from error
    if "://" not in url:
        raise UsageError(f"`--url {given}` names no scheme: write it as `https://{url}`.")
    if urlsplit(url).password:
        raise UsageError(
            "A password stands in `--url`, and a profile holds no secrets: leave it out, and name the variable that "
            "has it in [[suite]] secrets."
        )
    return variable, url


def _named(given: list[tuple[str, str]], variables: Iterable[Variable]) -> Iterable[Address]:
    """Yield the addresses, named after the variables of the code; a single address gets the single web variable."""
    taken = {variable for variable, _ in given}
    free = [one.name for one in variables if one.is_web and one.name not in taken]
    bare = [url for variable, url in given if not variable]
    names: set[str] = set()
    for variable, url in given:
        own = variable or (free[0] if len(free) == len(bare) == 1 else "")
        name = _apart(
            _plain_name(re.sub(r"_?(URL|URI|ENDPOINT)$", "", own.removeprefix(OURS)).lower(), "system"), names
        )
        names.add(name)
        yield Address(name, url, "" if own.startswith(OURS) else own)


def _apart(name: str, taken: Iterable[str]) -> str:
    numbers = iter(range(2, 1000))
    fresh = name
    while fresh in taken:
        fresh = f"{name}_{next(numbers)}"
    return fresh


def _plain_name(name: str, otherwise: str = "suite") -> str:
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:LONGEST_NAME]
    return plain or otherwise


def _profile(name: str, place: Place, addresses: tuple[Address, ...], folder: Path) -> str:
    suite = {"path": os.path.relpath(place.suite, folder)}
    if place.python:
        venv = place.python.parent.parent
        is_venv = place.python.parent.name == "bin" and (venv / "pyvenv.cfg").is_file()
        suite["python"] = os.path.relpath(venv if is_venv else place.python, folder)
    own = {address.variable: address.url for address in addresses if address.variable}
    parts = [
        "# Written by `nightproof init`. Every setting is in docs/settings.md.\n",
        _pairs({"name": name, "target": "live", "owner": "unowned"}) + "  # the team that answers for a red night\n",
        _endpoints(addresses),
        *(_check(address.url) for address in addresses if address.url.startswith("http")),
        f"\n[[suite]]\n{_pairs(suite)}\n",
        f"\n[suite.env]\n{_pairs(own)}\n" if own else "",
    ]
    return "".join(parts)


def _endpoints(addresses: tuple[Address, ...]) -> str:
    if not addresses:
        return (
            f"\n# Fill in where your system answers; {UNNAMED_PEER}.\n"
            '# [endpoints.urls]\n# system = "https://staging.example.com"\n'
        )
    return f"\n[endpoints.urls]\n{_pairs({address.name: address.url for address in addresses})}\n"


def _check(url: str) -> str:
    return (
        f'\n[[checks]]\nkind = "http"\nurl = {_quoted(url)}\n'
        "required = false  # true: where this does not answer 200, the night is BLOCKED and asks nothing\n"
    )


def _suite(name: str) -> str:
    return (
        f"# Written by `nightproof init`. Every key is in docs/your-own-suite.md.\nname = {_quoted(name)}\n"
        "test_timeout_s = 120  # for tests that have no limit of their own\n"
    )


def _pairs(values: Mapping[str, str]) -> str:
    return "\n".join(f"{key} = {_quoted(value)}" for key, value in values.items())


def _quoted(text: str) -> str:
    """Return a TOML basic string; its escapes are those of JSON, except for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
