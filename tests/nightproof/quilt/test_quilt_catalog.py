"""Requests to the catalog and to AWS: configuration, buckets, GraphQL, clients."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import httpx
import pytest

from nightproof import quilt
from nightproof.quilt.records import Timeouts
from tests.conftest import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.nightproof.quilt.conftest import World
    from tests.nightproof.quilt.rubbish import Rubbish

DATA: Final = "quilt-mcp-test-data"
WRITABLE: Final = {"quilt-mcp-test-scratch", "quilt-mcp-test-work"}
NAMES: Final = "{ bucketConfigs { name } }"


def test_the_configuration_is_the_catalogs_own(ops: quilt.QuiltOps, world: World) -> None:
    """Every field comes from config.json; two are derived from the analytics bucket."""
    url = world.target.catalog_url
    served = httpx.get(f"{url}/config.json").json()
    config = ops.get_catalog_config(f"{url}/")
    assert (config.region, config.registry_url) == (served["region"], served["registryUrl"])
    assert (config.api_gateway_endpoint, config.analytics_bucket) == (
        served["apiGatewayEndpoint"],
        served["analyticsBucket"],
    )
    assert (config.stack_prefix, config.tabulator_data_catalog) == ("nightproof", "quilt-nightproof-tabulator")


@pytest.mark.parametrize(
    ("bucket", "prefix"), [("acme-AnalyticsBucket-1x", "acme"), ("acme-data", "acme"), ("plain", "plain")]
)
def test_the_stack_is_named_by_the_analytics_bucket(
    on_rubbish: Any, rubbish: Rubbish, bucket: str, prefix: str
) -> None:
    """The stack prefix is the part before `-analyticsbucket`, else the part before the first hyphen."""
    fields = {"region": "r", "apiGatewayEndpoint": "a", "registryUrl": "u", "analyticsBucket": bucket}
    rubbish.spoil("config", json.dumps(fields).encode())
    assert on_rubbish("platform").get_catalog_config(rubbish.url).stack_prefix == prefix


@pytest.mark.parametrize("field", ["region", "apiGatewayEndpoint", "registryUrl", "analyticsBucket"])
def test_a_configuration_that_lacks_a_field_is_refused(
    on_rubbish: Any, rubbish: Rubbish, backend: str, field: str
) -> None:
    """An empty field raises BackendError with its name; no value is invented."""
    fields = {"region": "r", "apiGatewayEndpoint": "a", "registryUrl": "u", "analyticsBucket": "b"} | {field: ""}
    rubbish.spoil("config", json.dumps(fields).encode())
    with pytest.raises(quilt.BackendError) as caught:
        on_rubbish(backend).get_catalog_config(rubbish.url)
    assert caught.value.context == {
        "backend_type": backend,
        "operation": "get_catalog_config",
        "kind": "bad_config",
        "original_exception": f"missing field {field}",
    }


def test_an_address_without_a_catalog_is_told(ops: quilt.QuiltOps, backend: str, world: World) -> None:
    """No server, a server without a catalog, and an address that is not HTTP are three errors."""
    base = {"backend_type": backend, "operation": "get_catalog_config"}
    closed = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(quilt.BackendError, match="cannot be reached") as unreachable:
        ops.get_catalog_config(closed)
    assert (unreachable.value.context["kind"], unreachable.value.context["url"]) == (
        "unreachable",
        f"{closed}/config.json",
    )
    elsewhere = f"{world.target.catalog_url}/nowhere"
    with pytest.raises(quilt.NotFoundError, match="no Quilt catalog") as missing:
        ops.get_catalog_config(elsewhere)
    assert missing.value.context == base | {
        "resource_type": "catalog",
        "identifier": elsewhere,
        "search_location": elsewhere,
    }
    for address in ("ftp://x", "", None):
        with pytest.raises(quilt.ValidationError) as refused:
            ops.get_catalog_config(address)  # type: ignore[arg-type]  # a caller's mistake
        assert (refused.value.context["field_name"], refused.value.context["field_value"]) == ("catalog_url", address)


def test_the_default_registry_is_the_most_relevant_bucket(world: World, backend: str) -> None:
    """The registry is the given one if the catalog has it, else the most relevant bucket."""
    ops = world.make(backend, catalog_url=None, registry=None)
    assert ops.get_registry_url() is None
    with pytest.raises(quilt.BackendError, match="No catalog is configured"):
        ops.list_buckets()
    ops.configure_catalog(world.target.catalog_url)
    assert ops.get_registry_url() == ops.get_registry_url() == "s3://quilt-mcp-test-packages"
    assert ops.get_auth_status().logged_in_url == world.target.catalog_url
    assert world.make(backend, registry=f"s3://{DATA}").get_registry_url() == f"s3://{DATA}"
    assert world.make(backend, registry="s3://elsewhere").get_registry_url() == "s3://quilt-mcp-test-packages"


def test_a_catalog_without_buckets_has_no_registry(on_rubbish: Any, rubbish: Rubbish, backend: str) -> None:
    """Without buckets the registry is None, not an error."""
    rubbish.spoil("graphql", b'{"data": {"bucketConfigs": []}}')
    assert on_rubbish(backend).get_registry_url() is None


def test_buckets_are_listed_with_region_and_rights(ops: quilt.QuiltOps) -> None:
    """Region and access level of each bucket come from S3 itself."""
    found = ops.list_buckets()
    assert [bucket.name for bucket in found] == sorted(bucket.name for bucket in found)
    assert {bucket.name: bucket.region for bucket in found}["quilt-mcp-test-west"] == "us-west-2"
    assert {bucket.name for bucket in found if bucket.access_level == "read_write"} == WRITABLE
    assert {bucket.region for bucket in found} == {"us-east-1", "us-west-2"}


def test_a_bucket_that_s3_does_not_know_is_told(on_rubbish: Any, rubbish: Rubbish, backend: str) -> None:
    """A bucket that the catalog lists and S3 lacks raises NotFoundError; it is not left out silently."""
    listed = {"data": {"bucketConfigs": [{"name": "lost", "relevanceScore": 1}]}}
    refusal = b"<Error><Code>NoSuchBucket</Code></Error>"
    rubbish.spoiled = {"graphql": (200, json.dumps(listed).encode()), "s3": (404, refusal)}
    with pytest.raises(quilt.NotFoundError) as caught:
        on_rubbish(backend).list_buckets()
    assert (caught.value.context["resource_type"], caught.value.context["identifier"]) == ("bucket", "lost")


def test_the_headers_open_the_endpoint(ops: quilt.QuiltOps, world: World) -> None:
    """Endpoint and headers are all that a plain HTTP client needs."""
    assert ops.get_graphql_endpoint() == f"{world.target.catalog_url}/registry/graphql"
    headers = ops.get_graphql_auth_headers()
    assert set(headers) == {"Authorization"}
    answer = httpx.post(ops.get_graphql_endpoint(), json={"query": "{ me { name } }"}, headers=headers)
    assert answer.json() == {"data": {"me": {"name": "test-user"}}}


def test_a_document_is_answered_whole(ops: quilt.QuiltOps) -> None:
    """Data is returned unchanged, and so are the errors of a document that the server rejects."""
    assert ops.execute_graphql_query(NAMES, registry=f"s3://{DATA}").keys() == {"data"}
    query = "query One($name: String!) { bucketConfig(name: $name) { name } }"
    assert ops.execute_graphql_query(query, {"name": DATA}) == {"data": {"bucketConfig": {"name": DATA}}}
    for document in ("{ nonsense }", "{ bucketConfigs {"):
        answer = ops.execute_graphql_query(document)
        assert [type(error["message"]) for error in answer["errors"]] == [str]
    with pytest.raises(quilt.ValidationError) as caught:
        ops.execute_graphql_query(NAMES, registry="no registry")
    assert caught.value.context["field_name"] == "registry"


def test_what_only_admins_may_ask_is_refused(ops: quilt.QuiltOps, backend: str) -> None:
    """A 403 raises PermissionError with the missing right from the server's answer."""
    with pytest.raises(quilt.PermissionError) as caught:
        ops.execute_graphql_query("{ admin { user { list { name } } } }")
    assert caught.value.context == {
        "backend_type": backend,
        "operation": "execute_graphql_query",
        "required_permissions": ["admin"],
        "user_role": "user",
        "access_level": "read_write",
    }


def test_a_slow_answer_is_a_timeout(ops: quilt.QuiltOps, fault: Callable[..., None]) -> None:
    """The caller's time limit applies, and the error has the elapsed time."""
    fault("latency", operation="SlowQuestion", seconds=2)
    with pytest.raises(quilt.BackendError, match=r"no answer within 0\.2 s") as caught:
        ops.execute_graphql_query("query SlowQuestion { bucketConfigs { name } }", timeout_s=0.2)
    context = caught.value.context
    assert (context["kind"], context["timeout_s"]) == ("timeout", 0.2)
    assert 0.2 <= context["elapsed_s"] < 2
    assert context["original_exception"].startswith("ReadTimeout")


@pytest.mark.parametrize("status", [404, 413, 500, 503])
def test_a_failing_catalog_is_no_timeout(
    ops: quilt.QuiltOps, backend: str, fault: Callable[..., None], status: int
) -> None:
    """An HTTP status that does not concern the caller is an error of the catalog."""
    fault("error", operation="Failing", status=status)
    with pytest.raises(quilt.BackendError, match=f"HTTP {status}") as caught:
        ops.execute_graphql_query("query Failing { bucketConfigs { name } }")
    context = caught.value.context
    assert context.pop("elapsed_s") > 0
    assert context == {
        "backend_type": backend,
        "operation": "execute_graphql_query",
        "kind": "http",
        "http_status": status,
        "original_exception": f"HTTPError: {status}",
    }


def test_clients_act_with_the_issued_keys_within_limits(world: World, backend: str) -> None:
    """Every call returns a new client with the issued keys, the region, the time limits and the retries."""
    ops = world.make(backend, timeouts=Timeouts(connect_s=1.5, read_s=7, s3_attempts=2))
    one, other = ops.get_boto3_client("s3"), ops.get_boto3_client("s3", region="us-west-2")
    assert one is not other
    assert (one.meta.region_name, other.meta.region_name) == ("us-east-1", "us-west-2")
    config = one.meta.config
    assert (config.connect_timeout, config.read_timeout, config.signature_version) == (1.5, 7, "s3v4")
    assert config.retries["total_max_attempts"] == 2
    assert ":assumed-role/nightproof-user/" in ops.get_boto3_client("sts").get_caller_identity()["Arn"]


def test_an_unknown_service_is_refused_before_keys_are_asked_for(
    on_rubbish: Any, rubbish: Rubbish, backend: str
) -> None:
    """An unknown service is refused without a request, because botocore knows all services."""
    rubbish.asked.clear()
    with pytest.raises(quilt.ValidationError) as caught:
        on_rubbish(backend).get_boto3_client("invalid-service-xyz")
    assert (caught.value.context["field_name"], caught.value.context["field_value"]) == (
        "service_name",
        "invalid-service-xyz",
    )
    assert rubbish.asked == []


def test_keys_are_asked_for_once(on_rubbish: Any, rubbish: Rubbish, backend: str) -> None:
    """Issued keys are reused until they are about to expire."""
    rubbish.spoiled = {}
    rubbish.asked.clear()
    ops = on_rubbish(backend)
    for _ in range(2):
        ops.get_boto3_client("sts")
    assert rubbish.asked.count("keys") == 1
    ending = {"AccessKeyId": "a", "SecretAccessKey": "b", "SessionToken": "c", "Expiration": "2026-01-01T00:00:00Z"}
    rubbish.spoil("keys", json.dumps(ending).encode())
    ops = on_rubbish(backend)
    for _ in range(2):
        ops.get_boto3_client("sts")
    assert rubbish.asked.count("keys") == 3
