"""Downloads through the catalog, counted by day, object, package and revision."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import TYPE_CHECKING
from typing import Any

import pytest

from tests.testbed.catalog.calling import PRIVATE
from tests.testbed.catalog.calling import WORK

if TYPE_CHECKING:
    from tests.testbed.catalog.calling import Calling

NAME = "accesses/counted"
OPEN = "mutation C($s: String!) { browsingSessionCreate(scope: $s) { ... on BrowsingSession { id } } }"
COUNTS = "{ total counts { date value } }"
OF_PACKAGE = f"""query P($b: String!, $n: String!, $h: String!) {{ package(bucket: $b, name: $n) {{
    accessCounts {COUNTS} revision(hashOrTag: $h) {{ accessCounts(window: 2) {COUNTS} }} }} }}"""
OF_OBJECT = f"query O($b: String!, $k: String!) {{ objectAccessCounts(bucket: $b, key: $k, window: 3) {COUNTS} }}"
OF_BUCKET = f"""query B($b: String!, $w: Int!, $g: Int) {{ bucketAccessCounts(bucket: $b, window: $w) {{
    combined {COUNTS} byExt(groups: $g) {{ ext counts {{ total }} }}
    byExtCollapsed(groups: 1) {{ ext counts {{ total }} }} }} }}"""


def fetch(catalog: Calling, top_hash: str, *paths: str) -> list[str]:
    """Download files of a revision through the catalog and return the keys of their objects."""
    session = catalog.data(OPEN, {"s": f"s3://{WORK}#package={NAME}&hash={top_hash}"})["browsingSessionCreate"]["id"]
    answers = [catalog.get(f"/browse/{session}/{path}") for path in paths]
    assert [answer.status_code for answer in answers] == [302] * len(paths)
    return [answer.headers["location"].partition("?")[0].split("/", 4)[4] for answer in answers]


def days(series: dict[str, Any]) -> list[tuple[str, int]]:
    """Return the date and count of each day."""
    return [(count["date"][:10], count["value"]) for count in series["counts"]]


def test_downloads_count_for_file_revision_and_package(catalog: Calling) -> None:
    """Each download counts today for its object, package and revision. Other revisions have their own counts."""
    first = catalog.package(NAME, {"a.csv": b"1", "b.txt": b"2"})
    second = catalog.package(NAME, {"a.csv": b"3"})
    keys = fetch(catalog, first, "a.csv", "a.csv", "b.txt")
    fetch(catalog, second, "a.csv")
    found = catalog.data(OF_PACKAGE, {"b": WORK, "n": NAME, "h": first})["package"]
    today = datetime.now(UTC).date()
    assert (found["accessCounts"]["total"], len(found["accessCounts"]["counts"])) == (4, 30)
    assert days(found["revision"]["accessCounts"]) == [((today - timedelta(days=1)).isoformat(), 0), (str(today), 3)]
    other = catalog.data(OF_PACKAGE, {"b": WORK, "n": NAME, "h": second})["package"]["revision"]["accessCounts"]
    assert other["total"] == 1
    of_object = catalog.data(OF_OBJECT, {"b": "quilt-mcp-test-scratch", "k": keys[0]})["objectAccessCounts"]
    # Both revisions refer to versions of this object.
    assert (of_object["total"], [value for _, value in days(of_object)]) == (3, [0, 0, 3])


def test_a_bucket_is_counted_by_extension(catalog: Calling) -> None:
    """Counts by extension come in descending order and add up to the bucket's count.

    Groups above the limit are summed as `*`.
    """
    top_hash = catalog.package(NAME, {"a.parquet": b"1", "b.feather": b"2", "none": b"3"})
    fetch(catalog, top_hash, *(["a.parquet"] * 9), "b.feather", "none")
    given = {"b": "quilt-mcp-test-scratch", "w": 1, "g": None}
    found = catalog.data(OF_BUCKET, given)["bucketAccessCounts"]
    sums = {group["ext"]: group["counts"]["total"] for group in found["byExt"]}
    assert (sums[".parquet"], sums[".feather"]) == (9, 1)
    assert list(sums.values()) == sorted(sums.values(), reverse=True)
    assert sum(sums.values()) == found["combined"]["total"]
    top, rest = found["byExtCollapsed"]
    assert (top["ext"], rest["ext"]) == (".parquet", "*")
    assert top["counts"]["total"] + rest["counts"]["total"] == found["combined"]["total"]
    few = catalog.data(OF_BUCKET, given | {"g": 1})["bucketAccessCounts"]["byExt"]
    assert [group["ext"] for group in few] == [".parquet"]


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"b": WORK, "w": 0}, 400),
        ({"b": WORK, "w": 366}, 400),
        ({"b": WORK, "w": 1, "g": -1}, 400),
        ({"b": PRIVATE, "w": 1}, 403),
    ],
)
def test_counts_of_nonsense_are_refused(catalog: Calling, given: dict[str, Any], status: int) -> None:
    """A window outside 1 to 365 days or a negative number of groups is refused.

    So is a bucket the user may not read.
    """
    assert catalog.post(OF_BUCKET, given).status_code == status
