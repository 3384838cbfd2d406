"""The results of a proof: stored line by line, counted without gaps, shown with open questions first."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from nightproof.prove.plan import Ask
from nightproof.prove.results import Result
from nightproof.prove.results import Results
from nightproof.prove.results import Status
from nightproof.prove.results import Summary
from nightproof.prove.results import markdown
from nightproof.prove.results import text
from nightproof.prove.results import write

if TYPE_CHECKING:
    from pathlib import Path

KILLED = Result(Ask("shop", "a", "shop/t::x", "platform"), Status.KILLED, "failed", "assert 1 == 2", "r1")
ALIVE = Result(Ask("shop", "b", "shop/t::x", "platform"), Status.ALIVE, "passed", "", "r2")
ABSENT = Result(Ask("shop", "c", "shop/t::y", "quilt3"), Status.ABSENT, reason="a | b\nc")


def test_a_result_is_found_again(tmp_path: Path) -> None:
    """The last line of a question counts, and a torn line is ignored."""
    path = tmp_path / "results.jsonl"
    first = Results(path, fresh=False)
    first.add(KILLED)
    first.add(ALIVE)
    first.add(Result(ALIVE.ask, Status.KILLED, "failed"))
    with path.open("ab") as file:
        file.write(b'{"ask": {"suite": "shop"')
    again = Results(path, fresh=False)
    assert again.found == {KILLED.ask: KILLED, ALIVE.ask: Result(ALIVE.ask, Status.KILLED, "failed")}
    assert again.is_killed(ALIVE.ask)


def test_only_killed_is_settled(tmp_path: Path) -> None:
    """Every result but KILLED is asked again."""
    results = Results(tmp_path / "results.jsonl", fresh=False)
    results.add(ALIVE)
    assert not results.is_killed(ALIVE.ask)
    assert not results.is_killed(KILLED.ask)


def test_fresh_forgets(tmp_path: Path) -> None:
    """`fresh` deletes the earlier results."""
    path = tmp_path / "results.jsonl"
    Results(path, fresh=False).add(KILLED)
    assert Results(path, fresh=True).found == {}
    assert not path.exists()


def test_the_sums_close() -> None:
    """Killed, alive and untested results add up to all results."""
    summary = Summary((KILLED, ALIVE, ABSENT), 1, 2.0)
    assert summary.sentence == "1 of 3 killed, 1 alive, 1 untested"
    assert sum(summary.counts.values()) == len(summary.results)


def test_only_all_killed_is_proven() -> None:
    """A proof is proven only if it has results and all are killed."""
    assert Summary((KILLED,), 0, 1.0).is_proven
    assert not Summary((KILLED, ABSENT), 0, 1.0).is_proven
    assert not Summary((), 0, 1.0).is_proven


def test_the_text_names_what_is_open_and_ends_with_the_counts() -> None:
    """The text lists every result but the killed ones, and ends with the counts."""
    assert text(Summary((KILLED, ABSENT, ALIVE), 0, 1.0)).splitlines() == [
        "alive b shop/t::x platform", "absent c shop/t::y quilt3: a | b c", "1 of 3 killed, 1 alive, 1 untested",
    ]  # fmt: skip


def test_the_table_survives_any_reason() -> None:
    """A bar or a line break in a reason does not break a table row."""
    rows = markdown(Summary((KILLED, ABSENT), 0, 1.0)).splitlines()
    assert rows[2] == (
        "1 of 2 killed, 0 alive, 1 untested: 1 killed, 0 alive, 0 unproven, 1 absent, 0 untested. "
        "1 s, 0 results from an earlier call."
    )
    assert rows[-2:] == [
        r"| c | shop/t::y | quilt3 | absent |  | a \| b c |",
        "| a | shop/t::x | platform | killed | failed | assert 1 == 2 |",
    ]


def test_a_machine_reads_the_same(tmp_path: Path) -> None:
    """The JSON holds the counts and every result."""
    write(Summary((KILLED, ALIVE), 1, 2.0), tmp_path)
    data = json.loads((tmp_path / "prove.json").read_text())
    assert (data["sentence"], data["counts"]["killed"], data["earlier"]) == ("1 of 2 killed, 1 alive, 0 untested", 1, 1)
    assert [(line["defect"], line["status"]) for line in data["results"]] == [("a", "killed"), ("b", "alive")]
