from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import pytest
from starlette.responses import RedirectResponse

from testbed.catalog import order
from testbed.catalog.defects import DEFECTS
from testbed.catalog.defects import SENTENCES
from testbed.catalog.defects_of_tabulator import DEFECTS as TABULATOR
from testbed.catalog.injection import Defects
from testbed.faults.control import Faults
from tests.testbed.catalog.calling import PRIVATE
from tests.testbed.catalog.calling import WORK
from tests.testbed.catalog.probing import LIST
from tests.testbed.catalog.probing import NAME
from tests.testbed.catalog.probing import ODD
from tests.testbed.catalog.probing import OLD_SECOND
from tests.testbed.catalog.probing import SIZES
from tests.testbed.catalog.probing import Probing
from tests.testbed.catalog.probing_people import PROBES as PEOPLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.testbed.catalog.calling import Calling


@pytest.fixture(scope="module")
def probing(catalog: Calling) -> Probing:
    """Create the sample, a package of two revisions of different years, and return the probe."""
    uri = catalog.put_object("defects/source", b"source")
    old = catalog.construct(NAME, {"x": uri}, message="the same")["revision"]["hash"]
    for item in catalog.s3.list_objects_v2(Bucket=WORK, Prefix=f".quilt/named_packages/{NAME}/")["Contents"]:
        catalog.s3.delete_object(Bucket=WORK, Key=item["Key"])
    catalog.s3.put_object(Bucket=WORK, Key=f".quilt/named_packages/{NAME}/{OLD_SECOND}", Body=old.encode())
    contents = {"a.txt": b"aaa", f"dir/{ODD}": b"bb", "dir/deep/c.txt": b"c", "z": b""}
    new = catalog.package(NAME, contents, userMeta={"k": 1}, message="Newer")
    catalog.construct("defects-first/one", {"modified": uri})
    catalog.package("defects/other", {"modified": b"1"}, message="other newer")
    catalog.package("defects/private", {"x": b"1"}, user="test-admin", bucket=PRIVATE)
    catalog.package("zzz/last", {"x": b"1"})
    return Probing(catalog, old, new)


Probe = tuple["Callable[[Probing], Any]", Any, Any]
DIRECTORIES = ["a.txt", "dir", "z"]
NOTHING = "EmptySearchResultSet"
OTHER = "defects/other"
PROBES: dict[str, Probe] = {
    "catalog-accepts-expired-jwt": (lambda p: p.me(exp=1_700_000_000), "token_expired", "test-user"),
    "catalog-skips-jwt-signature": (lambda p: p.me(secret="x" * 40), "token_invalid", "test-user"),
    "inactive-user-keeps-access": (lambda p: p.inactive(), 401, 200),
    "admin-flag-not-enforced": (lambda p: p.catalog.post("{ roles { __typename } }").status_code, 403, 200),
    "role-permissions-ignored": (lambda p: p.search("private", buckets=None), NOTHING, ["private"]),
    "credentials-for-wrong-role": (lambda p: p.lent_to(), "nightproof-user", "nightproof-admin"),
    "token-refresh-not-rotated": (lambda p: p.rotated(), True, False),
    "catalog-me-returns-wrong-user": (lambda p: p.me(), "test-user", "test-admin"),
    "config-drops-analytics-bucket": (
        lambda p: "analyticsBucket" in p.catalog.get("/config.json").json(),
        True,
        False,
    ),
    "catalog-invalid-query-as-500": (lambda p: p.catalog.post("{ nothing }").status_code, 400, 500),
    "catalog-500-as-200-null": (lambda p: p.crashed(), (500, False), (200, True)),
    "catalog-answers-null": (
        lambda p: p.catalog.post("{ me { name } }").json(),
        {"data": {"me": {"name": "test-user"}}},
        {"data": None},
    ),
    "catalog-error-text-leaks-stack": (lambda p: p.missing_message(), False, True),
    "catalog-construct-fast-500": (lambda p: p.pointers()[0], 200, 500),
    "bucketconfigs-drops-one": (lambda p: p.relevance()[0], 7, 6),
    "bucketconfigs-wrong-relevance": (lambda p: p.relevance()[1], "packages", "work"),
    "config-wrong-registry": (lambda p: p.relevance()[1], "packages", "west"),
    "list-drops-last-name": (
        lambda p: len(p.catalog.data(LIST, {"f": "zzz/last", "n": 1})["packages"]["page"]),
        1,
        0,
    ),
    "list-drops-second-page": (
        lambda p: [len(p.catalog.data(LIST, {"f": "defects/", "n": n})["packages"]["page"]) for n in (1, 2)],
        [1, 1],
        [1, 0],
    ),
    "list-includes-deleted": (lambda p: p.deleted(), False, True),
    "catalog-missing-package-as-empty": (lambda p: p.asked("no/package") is None, True, False),
    "info-returns-previous-revision": (lambda p: p.revision()["hash"] == p.new, True, False),
    "catalog-unknown-hash-as-latest": (lambda p: p.revision(at="0" * 64) is None, True, False),
    "info-ignores-metadata": (lambda p: p.revision()["userMeta"], {"k": 1}, None),
    "catalog-wrong-total-bytes": (lambda p: p.revision()["totalBytes"], 6, 3),
    "revisions-drop-oldest": (lambda p: p.asked()["revisions"]["total"], 2, 1),
    "browse-drops-last-entry": (lambda p: p.children(), DIRECTORIES, ["a.txt", "dir"]),
    "browse-is-recursive": (lambda p: p.children("dir"), [f"dir/{ODD}", "dir/deep"], [f"dir/{ODD}", "dir/deep/c.txt"]),
    "browse-paths-relative-to-subdir": (lambda p: p.children("dir"), [f"dir/{ODD}", "dir/deep"], [ODD, "deep"]),
    "browse-mangles-special-names": (lambda p: p.children("dir")[0], f"dir/{ODD}", "dir/a b.txt"),
    "browse-missing-as-empty": (lambda p: p.children("nothing"), None, []),
    "catalog-dirsize-error": (lambda p: p.catalog.post(SIZES).status_code, 200, 500),
    "catalog-file-answers-directories": (lambda p: p.file("dir"), None, f"dir/{ODD}"),
    "catalog-file-answers-missing": (lambda p: p.file("nothing"), None, "a.txt"),
    "browse-session-ignores-path": (lambda p: p.browsed("dir/deep/c.txt"), b"c", b"aaa"),
    "browse-session-shared": (lambda p: p.browsed("a.txt", "test-admin"), 403, b"aaa"),
    "flatmap-drops-entry": (lambda p: len(p.revision()["contentsFlatMap"]), 4, 3),
    "flatmap-unstable-hashes": (
        lambda p: p.revision()["contentsFlatMap"] == p.revision()["contentsFlatMap"],
        True,
        False,
    ),
    "diff-misses-modified": (
        lambda p: p.asked("defects/other")["revision"]["contentsFlatMap"]["modified"]["size"],
        1,
        6,
    ),
    "search-drops-last-hit": (lambda p: p.search("newer"), ["other", "sample"], ["other"]),
    "search-is-case-sensitive": (lambda p: p.search("newer"), ["other", "sample"], ["other"]),
    "search-ands-terms": (lambda p: p.search("sample other"), ["other", "sample"], NOTHING),
    "search-ignores-query": (lambda p: "sample" in p.search("defects/other"), False, True),
    "search-empty-as-error": (lambda p: p.search("nosuchthing"), NOTHING, "OperationError"),
    "search-index-never-updates": (lambda p: p.new_is_found(), True, False),
    "search-leaks-private-bucket": (lambda p: p.search("defects/private", buckets=None), NOTHING, ["private"]),
    "construct-drops-last-entry": (lambda p: p.written()[0], ["d/y", "x"], ["d/y"]),
    "construct-flattens-keys": (lambda p: p.written()[0], ["d/y", "x"], ["x", "y"]),
    "construct-drops-version-id": (lambda p: p.versions(), ["versionId="], [""]),
    "update-merges-old-entries": (lambda p: p.updated(), ["y"], ["x", "y"]),
    "construct-refuses-empty": (lambda p: p.written(""), ([], None), ["NoEntries"]),
    "construct-ignores-missing-object": (lambda p: p.missing(), ["ObjectNotFound"], "PackagePushSuccess"),
    "construct-ignores-metadata": (lambda p: p.written(userMeta={"a": 1})[1], {"a": 1}, None),
    "metadata-drops-nulls": (
        lambda p: p.written(userMeta={"a": [None, {"b": ""}], "c": None, "d": {}, "e": 0})[1],
        {"a": [None, {"b": ""}], "c": None, "d": {}, "e": 0},
        {"a": [{}], "e": 0},
    ),
    "construct-wrong-hash": (lambda p: p.stored_hash(), True, False),
    "construct-skips-latest-pointer": (lambda p: p.pointers()[1], {"second": 1, "latest": 1}, {"second": 1}),
    "construct-half-written": (lambda p: p.pointers(), (200, {"second": 1, "latest": 1}), (500, {"latest": 1})),
    "construct-overwrites-existing": (lambda p: p.twice(), ["PackageExists"], (["y"], None)),
    "construct-race-unlocked": (lambda p: p.locked(), False, True),
    "construct-ignores-copy": (lambda p: p.promoted(), True, False),
    "construct-crosses-packages": (lambda p: p.written_at_once(), [["one"], ["two"]], [["two"], ["one"]]),
    "catalog-mixes-concurrent-answers": (lambda p: p.asked_at_once(), [NAME, OTHER], [OTHER, NAME]),
    "catalog-serialises-requests": (lambda p: p.waited_together(), True, False),
}
TIMED = {
    "catalog-read-latency-8s": (("read", "search"), 8),
    "catalog-read-latency-35s": (("read", "search"), 35),
    "catalog-construct-latency-35s": (("construct",), 35),
    "catalog-construct-latency-90s": (("construct",), 90),
    "catalog-construct-latency-150s": (("construct",), 150),
}
OTHERS = {"catalog-ignores-revocation", "search-index-lag-20s", "search-index-lag-90s"}


def test_every_defect_has_its_probe() -> None:
    """Every declared defect has a test that shows its effect."""
    elsewhere = (Path(__file__).parent / "test_catalog_tabulator_defects.py").read_text(encoding="utf-8")
    named = {name for name in TABULATOR if f'"{name}"' in elsewhere}
    assert set(SENTENCES) == {*PROBES, *PEOPLE, *TIMED, *OTHERS, *named}


@pytest.mark.parametrize("name", sorted(PROBES))
def test_a_defect_bends_what_it_says_and_nothing_without_it(
    probing: Probing, switch: Callable[..., None], name: str
) -> None:
    """A defect changes the probed response as declared, and the response is right before and after."""
    probe, honest, bent = PROBES[name]
    assert probe(probing) == honest
    switch(name)
    assert probing.catalog.control("GET", "defects").json() == [name]
    assert probe(probing) == bent
    probing.catalog.control("DELETE", f"faults/{name}")
    assert probe(probing) == honest


@pytest.mark.parametrize("name", sorted(TIMED))
def test_a_slow_defect_delays_its_kind_of_request(name: str) -> None:
    """A latency defect delays only its kinds of request, by its declared seconds or by `seconds`."""
    kinds, seconds = TIMED[name]
    faults = Faults({}, SENTENCES)
    for parameters, expected in (({}, seconds), ({"seconds": 0.5}, 0.5)):
        faults.set(name, parameters)
        delays = {
            kind: Defects(faults, DEFECTS).bend("delay", 0.0, labels=frozenset({"*", kind}))
            for kind in ("read", "search", "construct", "token")
        }
        assert {kind: delay for kind, delay in delays.items() if delay} == dict.fromkeys(kinds, expected)


def test_a_slow_request_takes_its_seconds_on_the_wire(probing: Probing, switch: Callable[..., None]) -> None:
    """A latency defect delays the response on the wire."""
    switch("catalog-read-latency-8s", seconds=0.3)
    started = time.monotonic()
    assert probing.catalog.data("{ bucketConfigs { name } }")["bucketConfigs"]
    assert time.monotonic() - started >= 0.3


def test_a_defect_ignores_revocation(probing: Probing, switch: Callable[..., None]) -> None:
    """`catalog-ignores-revocation` accepts a revoked token."""
    token = probing.catalog.forged(jti="ignored")
    switch("revoke-token", token=token)
    assert probing.me(jti="ignored") == "token_revoked"
    switch("catalog-ignores-revocation")
    assert probing.me(jti="ignored") == "test-user"


@pytest.mark.parametrize(("name", "seconds"), [("search-index-lag-20s", 20), ("search-index-lag-90s", 90)])
def test_a_late_index_is_late_by_its_seconds(
    probing: Probing, switch: Callable[..., None], name: str, seconds: int
) -> None:
    """An index lag hides packages younger than the lag from search, and no older ones."""
    for suffix, age in (("young", seconds - 15), ("grown", seconds + 5)):
        probing.catalog.package(f"defects-lag/{suffix}-{seconds}", {"x": b"1"}, message=f"defects lag {seconds}")
        statement = "UPDATE package_states SET written = ? WHERE name = ?"
        probing.catalog.sql(statement, time.time() - age, f"defects-lag/{suffix}-{seconds}")
    assert probing.search(f'"lag {seconds}"') == [f"grown-{seconds}", f"young-{seconds}"]
    switch(name)
    assert probing.search(f'"lag {seconds}"') == [f"grown-{seconds}"]


def test_two_defects_bend_one_answer_after_the_other(probing: Probing, switch: Callable[..., None]) -> None:
    """Two defects at one point both take effect."""
    switch("browse-drops-last-entry")
    switch("browse-paths-relative-to-subdir")
    assert probing.children("dir") == [ODD]


def test_an_injected_failure_is_answered_as_a_crash(probing: Probing, switch: Callable[..., None]) -> None:
    """An injected 500 is handled like a crash, so that `catalog-500-as-200-null` applies to it.

    A route's operation is its path.
    """
    path = "/registry/api/search"
    asked = {"index": f"{WORK}_packages", "action": "search", "query": "x"}
    switch("error", operation=path, status=500)
    assert probing.catalog.get(path, **asked).status_code == 500
    assert probing.search("newer") == ["other", "sample"]
    switch("catalog-500-as-200-null")
    answer = probing.catalog.get(path, **asked)
    assert (answer.status_code, answer.json()) == (200, {"data": None})
    switch("error", operation=path, status=503)
    assert probing.catalog.get(path, **asked).status_code == 503


def test_another_order_means_the_same(probing: Probing, switch: Callable[..., None]) -> None:
    """`field-order` reverses the members of a JSON response and leaves its meaning, status and headers."""
    honest = probing.catalog.post('{ package(bucket: "quilt-mcp-test-work", name: "defects/sample") { bucket name } }')
    switch("field-order")
    turned = probing.catalog.post('{ package(bucket: "quilt-mcp-test-work", name: "defects/sample") { bucket name } }')
    assert turned.json() == honest.json()
    assert turned.text.index('"name"') < turned.text.index('"bucket"')
    assert honest.text.index('"bucket"') < honest.text.index('"name"')
    switch("error", operation="graphql", status=503)
    refused = probing.catalog.post("{ me { name } }")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    elsewhere = RedirectResponse("http://127.0.0.1:9/")
    assert order.turned(elsewhere) is elsewhere
