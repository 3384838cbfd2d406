"""The configuration that a catalog serves, and the values derived from it."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from http.server import HTTPServer
from typing import TYPE_CHECKING
from typing import Any

import pytest

from nightproof import quilt
from nightproof.evidence import case

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    from suites._support.observer import Observer
    from suites._support.seeds import Seeds
    from suites._support.settings import Settings

JOURNEY = "find-data"
CONNECT_LIMIT_S = 11
ANALYTICS = "nightproof-analyticsbucket"


@case(tier="high", category="catalog", journey=JOURNEY)
def test_get_catalog_config(quilt_ops: quilt.QuiltOps, target: Settings, observer: Observer) -> None:
    """The configuration equals what the catalog serves, and the stack's names are derived from it."""
    served = observer.config_json(target.catalog_url)
    config = quilt_ops.get_catalog_config(target.catalog_url)
    assert config.region == target.region
    assert config.registry_url == served["registryUrl"]
    assert f"{config.registry_url}/graphql" == os.environ["QUILT_TEST_GRAPHQL_ENDPOINT"]
    assert config.api_gateway_endpoint == served["apiGatewayEndpoint"]
    analytics = ANALYTICS if target.has_exact_inventory else served["analyticsBucket"]
    assert config.analytics_bucket == analytics == served["analyticsBucket"]
    if target.has_exact_inventory:  # a bucket of the stack itself: credentials that a catalog issues cannot reach it
        observer.head_bucket(config.analytics_bucket)
    prefix = config.analytics_bucket.removesuffix("-analyticsbucket")
    assert (config.stack_prefix, config.tabulator_data_catalog) == (prefix, f"quilt-{prefix}-tabulator")


@case(tier="high", category="catalog", journey=JOURNEY)
def test_configure_catalog(make_ops: Callable[..., quilt.QuiltOps], target: Settings, seeds: Seeds) -> None:
    """Without a catalog there is no registry; with a catalog the registry is its most relevant bucket."""
    ops = make_ops(target.credentials(target.user), catalog_url=None, registry=None)
    assert ops.get_registry_url() is None
    ops.configure_catalog(target.catalog_url)
    chosen = ops.get_registry_url()
    assert chosen == target.registry
    assert target.ours(ops.list_all_packages(chosen), seeds.package_names) == seeds.package_names
    assert ops.get_auth_status().logged_in_url == target.catalog_url


@case(tier="high", category="catalog", journey=JOURNEY)
def test_registry_url_is_usable(
    make_ops: Callable[..., quilt.QuiltOps], target: Settings, seeds: Seeds, observer: Observer
) -> None:
    """The default registry is a bucket with packages, not the URL of the registry's HTTP interface."""
    ops = make_ops(target.credentials(target.user), registry=None)
    chosen = ops.get_registry_url()
    assert chosen == target.registry
    observer.head_bucket(chosen.removeprefix("s3://"))
    assert ops.get_package_info("test-user/simple-csv", chosen).top_hash == seeds.top_hash("test-user/simple-csv")
    assert ops.get_auth_status().registry_url != chosen


@case(tier="normal", category="catalog", journey=JOURNEY)
def test_invalid_catalog_url(quilt_ops: quilt.QuiltOps, target: Settings, backend: str) -> None:
    """Four errors are told apart: unreachable host, host without a catalog, invalid URL, incomplete configuration."""
    assert quilt_ops.get_catalog_config(target.catalog_url).region == target.region
    base = {"backend_type": backend, "operation": "get_catalog_config"}
    closed = f"http://127.0.0.1:{_closed_port()}"
    began = time.monotonic()
    unreachable = _error_of(quilt_ops, closed)
    assert time.monotonic() - began < CONNECT_LIMIT_S
    assert type(unreachable) is quilt.BackendError
    assert unreachable.context.pop("original_exception")
    assert unreachable.context == base | {"kind": "unreachable", "url": f"{closed}/config.json"}

    with _catalog_without("analyticsBucket") as half:
        elsewhere = os.environ.get("AWS_ENDPOINT_URL", f"{half}/elsewhere")
        other, bad = _error_of(quilt_ops, elsewhere), _error_of(quilt_ops, half)
    assert type(other) is quilt.NotFoundError
    assert other.context == base | {
        "resource_type": "catalog", "identifier": elsewhere, "search_location": elsewhere,
    }  # fmt: skip

    refused = _error_of(quilt_ops, "ftp://x")
    assert type(refused) is quilt.ValidationError
    assert refused.context.pop("validation_rule")
    assert refused.context == base | {"field_name": "catalog_url", "field_value": "ftp://x"}

    assert type(bad) is quilt.BackendError
    assert bad.context == base | {"kind": "bad_config", "original_exception": "missing field analyticsBucket"}


def _error_of(ops: quilt.QuiltOps, url: str) -> quilt.QuiltOpsError:
    with pytest.raises(quilt.QuiltOpsError) as caught:
        ops.get_catalog_config(url)
    return caught.value


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _catalog_without(field: str) -> Iterator[str]:
    """Serve a catalog configuration that lacks one field; every other path answers 404."""
    config = {
        "region": "us-east-1", "apiGatewayEndpoint": "http://x", "registryUrl": "http://x", "analyticsBucket": "b",
    }  # fmt: skip
    body = json.dumps({name: value for name, value in config.items() if name != field}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/config.json" else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Suppress the log line of the request."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
