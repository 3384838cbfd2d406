"""Refusals by the client library itself: the error says so and blames no server."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import pytest
import quilt3
from quilt3.util import QuiltException

from nightproof import quilt

if TYPE_CHECKING:
    from collections.abc import Callable

REGISTRY: Final = "s3://quilt-mcp-test-work"


def refusal(act: Callable[[], object]) -> quilt.BackendError:
    """Return the BackendError of a call that the client refuses."""
    with pytest.raises(quilt.BackendError) as caught:
        act()
    assert caught.value.context["kind"] == "client"
    return caught.value


def refusing(*_: Any, **__: Any) -> None:
    """Raise a QuiltException as the library does before it sends a request."""
    raise QuiltException("Cannot do this: the reason.")


def test_a_refusal_of_the_library_is_its_own(
    instances: dict[str, quilt.QuiltOps], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error has the library's reason and says that nothing was sent to be written."""
    ops = instances["quilt3"]
    monkeypatch.setattr(quilt3.Package, "push", refusing)
    found = refusal(lambda: ops.create_package_revision("refused/push", REGISTRY, []))
    said = "The client itself refused this, and nothing was sent to be written: Cannot do this: the reason."
    assert (found.message, found.context["original_exception"]) == (said, "QuiltException: Cannot do this: the reason.")
    assert "refused/push" not in ops.list_all_packages(REGISTRY)


def test_a_refusal_of_an_admins_call_is_its_own(
    governors: dict[str, quilt.QuiltOps], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal by quilt3's admin module is a client error and not an unreadable answer."""
    monkeypatch.setattr(quilt3.admin.users, "get", refusing)
    assert "the reason" in refusal(lambda: governors["quilt3"].admin.get_user("test-user")).message


def test_a_late_refusal_of_the_size_is_the_arguments(
    instances: dict[str, quilt.QuiltOps], monkeypatch: pytest.MonkeyPatch, sources: dict[str, str]
) -> None:
    """A size that only the library refuses raises the same ValidationError as our own check."""
    create, entry = instances["quilt3"].create_package_revision, {"logical_key": "it's", "meta": {"k": "x" * 1000}}
    entries: list[dict[str, Any]] = [entry | {"physical_key": sources["hello.txt"]}]
    monkeypatch.setattr(quilt3.packages, "MANIFEST_MAX_RECORD_SIZE", 500)
    calls: dict[str, Callable[[], object]] = {
        "metadata": lambda: create("refused/size", REGISTRY, [], metadata={"k": "x" * 1000}),
        "meta": lambda: create("refused/size", REGISTRY, entries),
    }
    for field, call in calls.items():
        with pytest.raises(quilt.ValidationError) as caught:
            call()
        assert (caught.value.context["field_name"], caught.value.context["field_value"]) == (field, {"k": "x" * 1000})


def test_an_address_that_is_none_is_not_out_of_reach(ops: quilt.QuiltOps) -> None:
    """An address that the HTTP client cannot parse is a client error and not `unreachable`."""
    found = refusal(lambda: ops.get_catalog_config("http://[half"))
    assert found.message.startswith("The client itself refused this, and nothing was sent to be written: ")


@pytest.mark.parametrize("registry", ["s3://a bucket", "s3://b\u00fccket", f"s3://{'x' * 256}"])
def test_a_bucket_that_no_client_asks_for_is_refused(ops: quilt.QuiltOps, registry: str) -> None:
    """Both backends refuse bucket names that the AWS library would refuse."""
    with pytest.raises(quilt.ValidationError) as caught:
        ops.list_all_packages(registry)
    assert caught.value.context["field_name"] == "registry"


@pytest.mark.parametrize("region", ["", "no region!", "-"])
def test_a_region_that_is_none_is_refused(ops: quilt.QuiltOps, region: str) -> None:
    """An invalid region raises ValidationError of `region`."""
    with pytest.raises(quilt.ValidationError) as caught:
        ops.get_boto3_client("s3", region)
    assert caught.value.context["field_name"] == "region"
