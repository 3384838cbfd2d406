"""Package content: browsing and download URLs."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qs
from urllib.parse import urlsplit

import pytest
import requests

from nightproof import quilt
from nightproof.evidence import case
from nightproof.evidence import observe
from suites._support.hashes import sha256_hex
from suites._support.waiting import wait_for

if TYPE_CHECKING:
    from suites._support.control import CallLog
    from suites._support.isolated import Isolated
    from suites._support.observer import Observer
    from suites._support.seeds import Seeds
    from suites._support.settings import Settings

JOURNEY = "browse-data"
NESTED = "test-user/nested-structure"
SIMPLE = "test-user/simple-csv"
TIMEOUT_S = 10
SHORT_LIFE_S = 2
EXPIRY_DEADLINE_S = 10
BROWSE_LIMIT_S = 5
BROWSE_LIMIT_BYTES = 100_000_000


@case(tier="critical", category="content", journey=JOURNEY)
def test_browse_root(quilt_ops: quilt.QuiltOps, test_registry: str, observer: Observer, target: Settings) -> None:
    """The root lists one level: directories first, then files, all with the date of the revision."""
    items = quilt_ops.browse_content(NESTED, test_registry)
    assert [(item.path, item.type, item.size) for item in items] == [
        ("data/", "directory", None),
        ("docs/", "directory", None),
        ("metadata/", "directory", None),
        ("README.md", "file", 5000),
    ]
    (modified,) = {item.modified_date for item in items}
    written = observer.latest(target.packages, NESTED)[1]
    assert datetime.fromisoformat(str(modified)).replace(microsecond=0) == written.replace(microsecond=0)
    assert {item.download_url for item in items} == {None}
    observe("paths", [item.path for item in items])


@case(tier="critical", category="content", journey=JOURNEY)
def test_browse_subdirectory(quilt_ops: quilt.QuiltOps, test_registry: str, seeds: Seeds) -> None:
    """A directory lists full paths, with or without a trailing slash in the request, and keeps unusual names."""
    raw = quilt_ops.browse_content(NESTED, test_registry, "data/raw/")
    assert [(item.path, item.type) for item in raw] == [
        (f"data/raw/2024-0{month}/", "directory") for month in (1, 2, 3, 4)
    ]
    assert quilt_ops.browse_content(NESTED, test_registry, "data/raw") == raw
    month = quilt_ops.browse_content(NESTED, test_registry, "data/raw/2024-01/")
    files = [f"data/raw/2024-01/data_{number:03}.csv" for number in range(11)]
    assert [(item.path, item.size) for item in month] == [
        (path, seeds.size("nested-structure", path)) for path in files
    ]
    special = quilt_ops.browse_content(NESTED, test_registry, "data/special/")
    assert [(item.path, item.size) for item in special] == [("data/special/a b+c#d%25 ü.csv", 50_000)]
    observe("paths", [item.path for item in [*raw, *month, *special]])


@case(tier="high", category="content", journey=JOURNEY)
def test_browse_missing_path(quilt_ops: quilt.QuiltOps, test_registry: str, backend: str) -> None:
    """The error for a path that is not in the package names the path."""
    with pytest.raises(quilt.NotFoundError) as caught:
        quilt_ops.browse_content(SIMPLE, test_registry, "nonexistent/")
    assert caught.type is quilt.NotFoundError
    assert caught.value.context == {
        "backend_type": backend,
        "operation": "browse_content",
        "resource_type": "path",
        "identifier": "nonexistent/",
        "search_location": f"{test_registry}/{SIMPLE}",
    }


@case(tier="critical", category="content", journey=JOURNEY)
def test_download_url(quilt_ops: quilt.QuiltOps, test_registry: str, seeds: Seeds, backend: str) -> None:
    """A download URL returns the exact bytes to a plain HTTP client for the requested time, and no longer."""
    url = quilt_ops.get_content_url(SIMPLE, test_registry, "data3.csv", expires_in=3600)
    answer = requests.get(url, timeout=TIMEOUT_S)
    assert answer.status_code == 200
    assert sha256_hex(answer.content) == seeds.sha256("simple-csv", "data3.csv")
    parameters = parse_qs(urlsplit(url).query)
    assert parameters["X-Amz-Expires"] == ["3600"]
    assert parameters["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    short = quilt_ops.get_content_url(SIMPLE, test_registry, "data3.csv", expires_in=SHORT_LIFE_S)
    assert parse_qs(urlsplit(short).query)["X-Amz-Expires"] == [str(SHORT_LIFE_S)]
    assert requests.get(short, timeout=TIMEOUT_S).status_code == 200
    status = wait_for(
        f"the end of a download URL of {backend}",
        lambda: next((code for code in [requests.get(short, timeout=TIMEOUT_S).status_code] if code != 200), None),
        deadline_s=EXPIRY_DEADLINE_S,
    )
    assert status == 403


@case(tier="high", category="content", needs=("call_log",), journey=JOURNEY)
def test_download_url_of_directory(
    quilt_ops: quilt.QuiltOps, test_registry: str, backend: str, call_log: CallLog
) -> None:
    """A directory has no download URL, and its rejection opens no browsing session."""

    def issued() -> int:
        return sum("browsingsession" in call.operation.lower() for call in call_log.calls("catalog"))

    assert quilt_ops.get_content_url(NESTED, test_registry, "README.md").startswith("http")
    assert issued() == (1 if backend == "platform" else 0)  # quilt3 signs by itself
    for path in ("data/", "data", ""):
        with pytest.raises(quilt.ValidationError) as caught:
            quilt_ops.get_content_url(NESTED, test_registry, path)
        assert caught.type is quilt.ValidationError
        rule = caught.value.context["validation_rule"]
        assert "file" in rule
        assert caught.value.context == {
            "backend_type": backend,
            "operation": "get_content_url",
            "field_name": "path",
            "field_value": path,
            "validation_rule": rule,
        }
    assert issued() == (1 if backend == "platform" else 0)


@case(tier="high", category="content", journey=JOURNEY)
def test_download_url_missing_file(quilt_ops: quilt.QuiltOps, test_registry: str, backend: str) -> None:
    """A file that is not in the package has no download URL, and the error names the file."""
    with pytest.raises(quilt.NotFoundError) as caught:
        quilt_ops.get_content_url(SIMPLE, test_registry, "missing.csv")
    assert caught.type is quilt.NotFoundError
    assert caught.value.context == {
        "backend_type": backend,
        "operation": "get_content_url",
        "resource_type": "file",
        "identifier": "missing.csv",
        "search_location": f"{test_registry}/{SIMPLE}",
    }


@case(tier="high", category="content", journey=JOURNEY, serial=True)
def test_browse_large_package(isolated: Isolated, seeds: Seeds, target: Settings) -> None:
    """A package of a hundred files is listed in full, within its limits of time and memory."""
    answer = isolated.run(
        "browse",
        package="test-user/large-package",
        path="",
        credentials=target.credentials(target.user),
    )
    names = [f"chunk_{number:03}.bin" for number in range(100)]
    assert [(item["path"], item["size"]) for item in answer["items"]] == [(name, 5_000_000) for name in names]
    assert sorted(seeds.entries("large-package")) == names
    assert answer["seconds"] < BROWSE_LIMIT_S * target.time_factor
    assert answer["grown_bytes"] < BROWSE_LIMIT_BYTES
