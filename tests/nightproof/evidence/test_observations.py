"""Observations of a test, in a form in which two backends can be compared."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from nightproof.evidence import channel
from nightproof.evidence import finding
from nightproof.evidence import note
from nightproof.evidence import observe
from nightproof.evidence import own_words
from nightproof.evidence import polling
from nightproof.evidence import unobserved
from nightproof.evidence.observations import record
from nightproof.evidence.state import RECORDING
from nightproof.evidence.state import TestState
from nightproof.ledger import Ledger
from nightproof.quilt import NotFoundError
from nightproof.quilt.admin_records import API_Key
from nightproof.quilt.admin_records import New_API_Key
from nightproof.quilt.records import Content_Info
from nightproof.quilt.records import Package_Info

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUN = "20261121T020000Z-abc234"
TAG = "21abc234"


@pytest.fixture
def state() -> Iterator[TestState]:
    """Yield a test in its call phase."""
    before = RECORDING.test
    RECORDING.test = TestState("id", "prefix", phase="call", tag=TAG)
    yield RECORDING.test
    RECORDING.test, RECORDING.has_exact_inventory = before, True


def outputs(state: TestState) -> list[str]:
    """Return the recorded canonical outputs."""
    return [str(one["output"]) for one in state.observations]


def package(name: str, top_hash: str = "a" * 64) -> Package_Info:
    """Return a package as a backend would."""
    return Package_Info(name, None, ("x",), "2026-11-21T02:00:00Z", "s3://b", "b", top_hash, None)


def test_canonical_json_is_the_same_for_the_same_value(state: TestState) -> None:
    """Key order, sequence type and Unicode form change no canonical JSON; another value does."""
    observe("rows", {"b": ("é", 1.5, True), "a": None})
    observe("rows", {"a": None, "b": ["e\u0301", 1.5, True]})
    observe("rows", {"a": None, "b": ["e", 1.5, True]})
    first, second, third = state.observations
    assert first["output"] == '{"a":null,"b":["é",1.5,true]}'
    assert first == second
    assert third["output_sha256"] != first["output_sha256"]


def test_sets_are_sorted_and_objects_are_named(state: TestState) -> None:
    """Sets are sorted, and objects are replaced by their class name."""
    observe("mixed", [{"b", "a"}, threading.Lock()])
    assert outputs(state) == ['[["a","b"],"<lock>"]']


def test_own_names_lose_what_makes_them_different(state: TestState, tmp_path: Path) -> None:
    """Names of resources in the ledger are numbered, as two backends use different ones."""
    ledger = Ledger(tmp_path / "ledger.jsonl", RUN, heard=RECORDING.name)
    ledger.intent("package", {"registry": "s3://b", "name": f"np-{TAG}/one-q1-0"})
    ledger.intent("package", {"registry": "s3://b", "name": f"np-{TAG}/one-q1-0-more"})
    ledger.intent("prefix", {"bucket": "b", "prefix": f"np-{TAG}/sources/q1/"})
    given = {"name": f"np-{TAG}/one-q1-0-more", "of": f"np-{TAG}/one-q1-0", "key": f"s3://b/np-{TAG}/sources/q1/a"}
    record("op", given, f"np-{TAG} of somebody")
    (kept,) = state.observations
    assert kept["input"] == '{"key":"s3://b/<prefix 1>/a","name":"<package 2>","of":"<package 1>"}'
    assert kept["output"] == '"np-<N> of somebody"'


def test_names_of_others_are_no_names_of_ours(state: TestState) -> None:
    """A name without the run's tag stays unchanged."""
    RECORDING.name("user", {"name": "test-user"})
    record("op", {"name": "test-user"}, 1)
    assert state.observations[0]["input"] == '{"name":"test-user"}'


def test_revisions_made_with_own_words_are_compared_by_number(state: TestState) -> None:
    """Hashes of revisions with a test's own words are numbered, in answers and in later inputs."""
    made = package("seed/a", "e" * 64)
    record("create_package_revision", {"message": own_words("first of q1")}, made)
    record("create_package_revision", {"message": own_words("first of q1")}, package("seed/a", "f" * 64))
    record("get_package_info", {"top_hash": "e" * 64}, made)
    record("create_package_revision", {"message": "plain"}, package("seed/a"))
    assert state.observations[0]["input"] == '{"message":"<words 1>"}'
    assert state.observations[2]["input"] == '{"top_hash":"<revision 1>"}'
    hashes = ("<revision 1>", "<revision 2>", "<revision 1>", "a" * 64)
    assert [f'"top_hash":"{top_hash}"' in kept for top_hash, kept in zip(hashes, outputs(state), strict=True)] == [
        True
    ] * 4


def test_times_of_own_packages_are_ignored_and_others_kept(state: TestState) -> None:
    """Times of the test's own packages are ignored; those of seeds are compared."""
    record("get_package_info", {"package_name": "seed/a"}, package("seed/a"))
    RECORDING.name("package", {"name": f"np-{TAG}/a"})
    record("get_package_info", {"package_name": f"np-{TAG}/a"}, package(f"np-{TAG}/a"))
    seed, own = outputs(state)
    assert '"modified_date":"2026-11-21T02:00:00Z"' in seed
    assert "modified_date" not in own


def test_listing_is_compared_without_times(state: TestState) -> None:
    """A package listing is compared by path, type, size and metadata; 5.0 bytes equal 5 bytes."""
    record("browse_content", {}, [Content_Info("a", 5.0, "file", "2026-11-21T02:00:00Z", meta={"id": 1})])  # type: ignore[arg-type]
    assert outputs(state) == ['[{"meta":{"id":1},"path":"a","size":5,"type":"file"}]']


def test_search_is_compared_by_name_hash_description_and_tags(state: TestState) -> None:
    """Search hits of the test and of the seeds are compared, those of other tests ignored."""
    RECORDING.name("package", {"name": f"np-{TAG}/mine"})
    record("search_packages", {}, [package(f"np-{TAG}/mine"), package(f"np-{TAG}/theirs"), package("seed/a")])
    hit = '{"description":null,"name":"%s","tags":["x"],"top_hash":"' + "a" * 64 + '"}'
    assert outputs(state) == [f"[{hit % '<package 1>'},{hit % 'seed/a'}]"]


def test_inventory_of_a_shared_target_is_compared_by_ours(state: TestState) -> None:
    """On a shared target only our entries of complete listings are compared."""
    RECORDING.has_exact_inventory = False
    RECORDING.name("package", {"name": f"np-{TAG}/mine"})
    record("list_all_packages", {}, [f"np-{TAG}/mine", "stranger/a"])
    record("browse_content", {}, [Content_Info("a", 1, "file", None)])
    assert outputs(state) == ['["<package 1>"]', '[{"meta":null,"path":"a","size":1,"type":"file"}]']


def test_url_is_compared_by_what_does_not_change(state: TestState) -> None:
    """A presigned URL is compared by scheme, host, version and lifetime, without its signature."""
    record("get_content_url", {}, "http://h:1/b/k?versionId=7&X-Amz-Expires=60&X-Amz-Signature=f00")
    assert outputs(state) == ['{"expires_s":"60","has_version_id":true,"host":"h:1","scheme":"http"}']


def test_error_is_compared_by_class_and_context(state: TestState) -> None:
    """An error is compared by class and context, without its text, user and time."""
    context = {"resource": "package", "backend_type": "quilt3", "elapsed_s": 1.0, "original_exception": "KeyError"}
    record("get_package_info", {}, None, NotFoundError("no such package", context))
    assert outputs(state) == ['{"context":{"resource":"package"},"error":"NotFoundError"}']


def test_port_of_a_server_of_the_test_is_ignored(state: TestState) -> None:
    """The port of a test's own server is ignored in inputs and errors, and kept in answers."""
    for port in ("4001", "4002"):
        url = f"http://127.0.0.1:{port}"
        record("get_catalog_config", {"catalog_url": url}, None, NotFoundError("x", {"identifier": url}))
    first, second = state.observations
    assert first == second
    record("get_graphql_endpoint", {}, "http://127.0.0.1:4001/graphql")
    assert outputs(state)[-1] == '"http://127.0.0.1:4001/graphql"'


def test_secret_of_an_api_key_is_not_kept(state: TestState) -> None:
    """The secret of a new API key is not written to the event log."""
    key = API_Key("id", "ci", "abcd", "now", "later", None, "a@b", "ACTIVE")
    record("create_api_key", {"name": "ci"}, New_API_Key(key, "sekret"))
    assert outputs(state) == ['{"key":{"name":"ci","status":"ACTIVE","user_email":"a@b"}}']


def test_only_the_last_answer_of_a_poll_counts(state: TestState) -> None:
    """Only the last answer of a poll is compared."""
    observe("before", 0)
    with polling() as again:
        for number in range(3):
            again()
            record("ask", {}, number)
    assert outputs(state) == ["0", "2"]


def test_what_cannot_be_compared_is_left_out(state: TestState) -> None:
    """Worker threads, set-up, other channels and calls with a reason are not compared."""
    thread = threading.Thread(target=lambda: record("op", {}, "thread"))
    thread.start()
    thread.join()
    with channel("observer"):
        record("op", {}, "observer")
    with unobserved("the test broke the service"):
        record("op", {}, "broken")
    state.phase = "setup"
    record("op", {}, "setup")
    assert state.observations == []


def test_observing_outside_of_a_test_is_refused(state: TestState) -> None:
    """Observing outside a test's body is refused."""
    state.phase = "teardown"
    with pytest.raises(RuntimeError, match="inside a test"):
        observe("answer", 42)
    RECORDING.test = None
    with pytest.raises(RuntimeError, match="inside a test"):
        observe("answer", 42)
    with unobserved("nothing runs"), polling() as again:
        again()
    with pytest.raises(ValueError, match="lacks its reason"), unobserved(""):
        pass


def test_notes_and_findings_are_properties(state: TestState) -> None:
    """Figures and findings are properties of the test, and an unknown kind is refused."""
    note("index_lag_s", 1.5)
    finding("create-race", "2 of 4 creations succeeded")
    assert state.properties == [
        ("index_lag_s", 1.5),
        ("finding", {"kind": "create-race", "detail": "2 of 4 creations succeeded"}),
    ]
    with pytest.raises(ValueError, match="no kind of finding `race`"):
        finding("race", "x")
    with pytest.raises(ValueError, match="lacks its sentence"):
        finding("create-race", "")
    RECORDING.test = None
    with pytest.raises(RuntimeError, match="inside a test"):
        note("index_lag_s", 1.5)


def test_long_answers_are_kept_by_their_digest(state: TestState) -> None:
    """A long answer's text is cut, but its digest covers the whole, so late differences still show."""
    observe("long", "x" * 5000 + "a")
    observe("long", "x" * 5000 + "b")
    first, second = state.observations
    assert first["output"] == second["output"]
    assert len(first["output"]) == 2000
    assert first["output_sha256"] != second["output_sha256"]
