"""Contents of packages: browsing one level, and URLs that a plain GET can read."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import httpx
import pytest

from nightproof import quilt

if TYPE_CHECKING:
    from collections.abc import Callable

    from types_boto3_s3 import S3Client

    from tests.nightproof.quilt.conftest import Versions

REGISTRY: Final = "s3://quilt-mcp-test-work"
FIRST_MOMENT: Final = "2023-11-14T22:13:20+00:00"
AWKWARD: Final = "zz/Gr\u00fc\u00dfe + 100%#1.txt"


def test_the_root_lists_directories_then_files(ops: quilt.QuiltOps, tree: str) -> None:
    """Only one level is listed, directories first, each group by code point."""
    items = ops.browse_content(tree, REGISTRY)
    assert [(item.path, item.type, item.size) for item in items] == [
        ("data/", "directory", None),
        ("zz/", "directory", None),
        ("B.txt", "file", 11),
        ("empty.txt", "file", 0),
    ]


@pytest.mark.parametrize("path", ["data", "data/"])
def test_paths_are_counted_from_the_package_root(ops: quilt.QuiltOps, tree: str, path: str) -> None:
    """A directory is listed with or without its slash; its items have full paths."""
    items = ops.browse_content(tree, REGISTRY, path)
    assert [(item.path, item.size) for item in items] == [("data/raw/", None), ("data/b.txt", 6)]


def test_a_file_is_listed_alone_with_its_metadata(ops: quilt.QuiltOps, tree: str) -> None:
    """The path of a file returns that one file, without a URL."""
    (item,) = ops.browse_content(tree, REGISTRY, "data/raw/a.txt")
    assert (item.path, item.size, item.type, item.meta) == ("data/raw/a.txt", 5, "file", {"k": 1})
    assert item.download_url is None


def test_items_without_metadata_have_none(ops: quilt.QuiltOps, tree: str) -> None:
    """A file without user metadata has None, not an empty dict."""
    assert {item.meta is None for item in ops.browse_content(tree, REGISTRY)} == {True}


def test_items_have_the_time_of_their_revision(ops: quilt.QuiltOps, versions: Versions) -> None:
    """Items of the latest revision have the package's time, those of an older one its pointer's."""
    info = ops.get_package_info(versions.name, REGISTRY)
    latest = ops.browse_content(versions.name, REGISTRY)
    old = ops.browse_content(versions.name, REGISTRY, top_hash=versions.first)
    assert {item.modified_date for item in latest} == {info.modified_date}
    assert {item.modified_date for item in old} == {FIRST_MOMENT}
    assert [item.path for item in old] == ["changed.txt", "kept.txt", "removed.txt"]


def test_both_backends_list_the_same_items(instances: dict[str, quilt.QuiltOps], tree: str, versions: Versions) -> None:
    """Both backends return equal listings."""
    one, other = instances["quilt3"], instances["platform"]
    for path in ("", "data", "zz", AWKWARD):
        assert one.browse_content(tree, REGISTRY, path) == other.browse_content(tree, REGISTRY, path)
    arguments = (versions.name, REGISTRY, "", versions.first)
    assert one.browse_content(*arguments) == other.browse_content(*arguments)


@pytest.mark.parametrize("path", ["nothing", "data/raw/nothing.txt", "empty.txt/", "empty.txt/below"])
def test_a_missing_path_is_not_found(ops: quilt.QuiltOps, backend: str, tree: str, path: str) -> None:
    """A missing path raises NotFoundError with the path as given; a file is not a directory."""
    with pytest.raises(quilt.NotFoundError, match=f"The path `{path}` does not exist") as caught:
        ops.browse_content(tree, REGISTRY, path)
    assert caught.value.context == {
        "backend_type": backend,
        "operation": "browse_content",
        "resource_type": "path",
        "identifier": path,
        "search_location": f"{REGISTRY}/{tree}",
    }


@pytest.mark.parametrize(
    ("path", "body"),
    [("data/raw/a.txt", b"hello"), ("B.txt", b"unversioned"), ("empty.txt", b""), (AWKWARD, b"hallo")],
)
def test_a_content_url_gives_the_bytes(ops: quilt.QuiltOps, tree: str, path: str, body: bytes) -> None:
    """A plain GET of the URL reads the file, whatever its name, versioned or not."""
    answer = httpx.get(ops.get_content_url(tree, REGISTRY, path))
    assert (answer.status_code, answer.content) == (200, body)


def test_a_content_url_of_an_old_revision_gives_the_old_bytes(ops: quilt.QuiltOps, versions: Versions) -> None:
    """The hash selects the revision whose bytes the URL returns."""
    old = httpx.get(ops.get_content_url(versions.name, REGISTRY, "changed.txt", versions.first))
    new = httpx.get(ops.get_content_url(versions.name, REGISTRY, "changed.txt"))
    assert (old.content, new.content) == (b"hello", b"world!")


def test_a_content_url_is_signed_for_the_region_of_the_object(ops: quilt.QuiltOps, backend: str, s3: S3Client) -> None:
    """The URL of an object in another region than the registry's can be read too."""
    west, name = "quilt-mcp-test-west", f"conform/west-{backend}"
    s3.put_object(Bucket=west, Key="conform/west.txt", Body=b"west")
    ops.create_package_revision(name, REGISTRY, [{"logical_key": "w", "physical_key": f"s3://{west}/conform/west.txt"}])
    url = ops.get_content_url(name, REGISTRY, "w")
    assert httpx.URL(url).params["X-Amz-Credential"].split("/")[2] == "us-west-2"
    assert httpx.get(url).content == b"west"
    ops.delete_package(name, REGISTRY)


def test_a_content_url_carries_its_life(ops: quilt.QuiltOps, tree: str) -> None:
    """`expires_in` is the lifetime of the URL in seconds, which is signed with version 4."""
    query = httpx.URL(ops.get_content_url(tree, REGISTRY, "empty.txt", expires_in=77)).params
    assert (query["X-Amz-Expires"], query["X-Amz-Algorithm"]) == ("77", "AWS4-HMAC-SHA256")


@pytest.mark.parametrize("path", ["", "data", "data/"])
def test_a_directory_has_no_content_url(ops: quilt.QuiltOps, backend: str, tree: str, path: str) -> None:
    """The URL of a directory or an empty path raises ValidationError of `path`."""
    with pytest.raises(quilt.ValidationError, match="`path` is refused") as caught:
        ops.get_content_url(tree, REGISTRY, path)
    assert caught.value.context == {
        "backend_type": backend,
        "operation": "get_content_url",
        "field_name": "path",
        "field_value": path,
        "validation_rule": "the path of a file, not of a directory",
    }


@pytest.mark.parametrize("path", ["nothing.txt", "empty.txt/"])
def test_a_missing_file_has_no_content_url(ops: quilt.QuiltOps, backend: str, tree: str, path: str) -> None:
    """The URL of a missing file raises NotFoundError of a file."""
    with pytest.raises(quilt.NotFoundError, match="The file ") as caught:
        ops.get_content_url(tree, REGISTRY, path)
    assert caught.value.context == {
        "backend_type": backend,
        "operation": "get_content_url",
        "resource_type": "file",
        "identifier": path,
        "search_location": f"{REGISTRY}/{tree}",
    }


@pytest.mark.parametrize(("path", "method"), [("x", "browse_content"), ("x", "get_content_url")])
def test_content_of_a_missing_package_is_not_found(ops: quilt.QuiltOps, path: str, method: str) -> None:
    """Content of a package that does not exist raises NotFoundError of the package."""
    with pytest.raises(quilt.NotFoundError, match="The package `conform/nobody`") as caught:
        getattr(ops, method)("conform/nobody", REGISTRY, path)
    assert caught.value.context["resource_type"] == "package"


@pytest.mark.parametrize(
    ("status", "expected"),
    [(410, quilt.AuthenticationError), (404, quilt.NotFoundError), (418, quilt.BackendError)],
)
def test_refusals_of_the_browse_route_are_told_apart(
    instances: dict[str, quilt.QuiltOps],
    tree: str,
    fault: Callable[..., None],
    status: int,
    expected: type[quilt.QuiltOpsError],
) -> None:
    """An expired session, a missing file and an unexpected status are three errors."""
    fault("error", operation="browse", status=status)
    with pytest.raises(expected) as caught:
        instances["platform"].get_content_url(tree, REGISTRY, "empty.txt")
    context: dict[str, Any] = caught.value.context
    assert context["operation"] == "get_content_url"
    assert (context.get("reason"), context.get("kind"), context.get("resource_type")) in {
        ("expired", None, None),
        (None, None, "file"),
        (None, "protocol", None),
    }
