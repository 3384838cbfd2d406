"""Checks of a suite's relay before anything starts: declared endpoints, and a way to reach them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from nightproof.errors import UsageError
from nightproof.evidence.relay.upstream import VARIABLES as PROXIES
from nightproof.evidence.relay.upstream import Proxy
from nightproof.evidence.wire.endpoints import PORTS
from nightproof.evidence.wire.endpoints import endpoint_of
from nightproof.evidence.wire.endpoints import parse_endpoint
from nightproof.runner.world import PASSED_ON
from nightproof.suggestions import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nightproof.profile import Profile
    from nightproof.profile import Suite


def require_relay(suite: Suite, hosts: Iterable[str], profile: Profile) -> None:
    """Raise UsageError, with the remedy, for a relay that has no endpoint to count or cannot forward."""
    if not suite.relay:
        return
    places = profile.endpoints
    urls = [url for url in (places.catalog, places.aws, *places.urls.values()) if url]
    declared = {*(endpoint_of(url) for url in urls), *suite.hosts, *hosts}
    if not declared and not profile.has_buckets:
        raise UsageError(
            f"The suite `{suite.path}` has a `relay`, and the profile declares no endpoint that it could count: "
            "name one in [endpoints.urls] or `hosts`."
        )
    for wanted in () if isinstance(suite.relay, bool) else suite.relay:
        if wanted not in declared:
            raise UsageError(
                f"The suite `{suite.path}` has `{wanted}` in `relay`, which is no declared endpoint."
                f"{nearest(wanted, declared)} Give some of {', '.join(sorted(declared)) or 'none'}, or `relay = true`."
            )
    _require_ports(suite, urls)
    _require_way(suite)


def _require_ports(suite: Suite, urls: Iterable[str]) -> None:
    for url in urls:
        endpoint, scheme = endpoint_of(url), urlsplit(url).scheme if "://" in url else ""
        is_relayed = suite.relay is True or endpoint in (suite.relay or ())
        if is_relayed and scheme not in PORTS and not parse_endpoint(endpoint).port:
            raise UsageError(
                f"The suite `{suite.path}` has a `relay`, and the endpoint `{endpoint}` has no port to listen for: "
                f"write it as `{scheme or 'tcp'}://{endpoint}:port` in [endpoints.urls]."
            )


def _require_way(suite: Suite) -> None:
    """Raise UsageError for a proxy that the relay cannot use; its value may hold a password and is not quoted."""
    given = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | suite.env
    for name in PROXIES:
        try:
            if given.get(name):
                Proxy.of(given[name])
        except ValueError as error:
            raise UsageError(
                f"The suite `{suite.path}` has a `relay`, which cannot go through the proxy that `{name}` names "
                f"({error}): give a proxy that starts with `http://`, or unset `{name}`."
            ) from error
