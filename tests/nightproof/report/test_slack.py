"""The Slack message: within Slack's limits, without live markup, cut at whole items, and honest about news."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from nightproof.history.nights import night_of
from nightproof.records import Colour
from nightproof.records import SlackDelivery
from nightproof.records import Verdict
from nightproof.report import slack
from nightproof.report import slack_limits
from nightproof.report import words
from nightproof.report.publish import redacted
from tests.nightproof.report import drawn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nightproof.records import RunReport

LINKS: Final = st.sampled_from(("", "/runs/x/report.html", "https://reports.example.org/r", "https://x/" + "&" * 4000))


def texts(block: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield every text of a block with the kind of place it stands in."""
    if "text" in block:
        yield block["type"], block["text"]["text"]
    for field in block.get("fields", ()):
        yield "field", field["text"]
    for element in block.get("elements", ()):
        yield ("button", element["text"]["text"]) if element["type"] == "button" else ("context", element["text"])


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(report=drawn.reports(), link=LINKS, mention=st.sampled_from(("", "S012345")))
def test_every_message_keeps_the_limits(report: RunReport, link: str, mention: str) -> None:
    """Blocks, header, sections, fields and replies stay within Slack's published limits for any report."""
    message = slack.render(report, link, mention=mention)
    assert slack_limits.check(message.text, message.blocks, message.replies) == []
    most = {"header": 150, "section": 3000, "field": 2000, "context": 3000, "button": 75}
    assert len(message.blocks) <= 50
    for kind, text in [found for block in message.blocks for found in texts(block)]:
        assert 0 < len(text) <= most[kind], kind
    assert all(0 < len(text) <= 4000 for text in (message.text, *message.replies))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(report=drawn.reports())
def test_nothing_of_a_test_is_markup(report: RunReport) -> None:
    """No bare `<`, `>` or `&` and no half entity reaches Slack's markup; mentions in test output call nobody."""
    message = slack.render(report, "https://reports.example.org/r")
    marked = [text for block in message.blocks for kind, text in texts(block) if kind not in ("header", "button")]
    for text in (message.text, *message.replies, *marked):
        assert "<" not in text
        assert ">" not in text
        assert re.sub(r"&(amp|lt|gt);", "", text).count("&") == 0
        assert text == words.scrub(text)
    fence = next(text for block in message.blocks for _, text in texts(block) if text.startswith("```"))
    assert "`" not in fence[3:-3]


def test_red_night_is_short_at_the_top_and_whole_below() -> None:
    """The header holds the first clause without a half bracket, the next block the whole sentence."""
    message = slack.render(drawn.night("red"))
    assert message.blocks[0]["text"]["text"] == "🔴 embedded: 5 of 23 tests did not pass"
    assert drawn.night("red").cause in html.unescape(message.blocks[1]["text"]["text"])


@pytest.mark.parametrize(
    ("cause", "header"),
    [
        ("8 of 88 tests passed hollow, one cause explains all 8: no end.", "8 of 88 tests passed hollow"),
        ("9 of 88 tests did not pass (8 hollow, 1 failed), 2 unrelated causes.", "9 of 88 tests did not pass"),
        ("The catalog died during the night: 9 of 10 tests failed.", "The catalog died during the night"),
        ("2 resources leaked, left to the next sweep; cost 3.00 USD.", "2 resources leaked"),
        ("word " * 29, "word " * 27 + "word"),
    ],
)  # fmt: skip
def test_header_is_the_first_clause(cause: str, header: str) -> None:
    """The header ends before the first colon, comma, semicolon or bracket of the headline."""
    told = slack.render(replace(drawn.night("red"), cause=cause.strip(), profile="p")).blocks[0]["text"]["text"]
    assert told == f"🔴 p: {header}" or ("word" in header and len(told) <= 150)


def test_long_lists_end_with_a_count() -> None:
    """A long list shows twenty whole lines and the number of the others."""
    failed = tuple(drawn.test(i, Verdict.FAILED, f"reason {'x' * i}") for i in range(1000))
    message = slack.render(replace(drawn.night("red"), tests=failed))
    lines = message.replies[-1].splitlines()
    assert lines[0] == "*Every test that did not pass*"
    assert len(lines) == 22
    assert lines[-1] == "… and 980 more in the report"
    assert all(re.fullmatch(r"✗ failed: quilt_ops/test_many::test_\d+ \(quilt3\)", line) for line in lines[1:-1])
    assert message.text.splitlines()[-1] == "… and 980 more in the report"


def test_cells_beyond_the_matrix_are_counted() -> None:
    """A night of many cells shows the first twelve and the number of the others."""
    cells = drawn.night("green").cells[:1] * 15
    fence = slack.render(replace(drawn.night("green"), cells=cells)).blocks[3]["text"]["text"]
    assert fence.splitlines()[-1] == "… and 3 more in the report```"


@pytest.mark.parametrize(
    ("name", "told"),
    [("red", "6 tests: 5 new, 1 known, the oldest for 4 nights"), ("green", "0 tests"), ("interrupted", "0 tests")],
)
def test_field_of_what_to_act_on(name: str, told: str) -> None:
    """New and known tests are counted apart if an earlier night allows it."""
    assert slack.render(drawn.night(name)).blocks[2]["fields"][2]["text"] == f"*To act on*\n{told}"


@pytest.mark.parametrize(
    ("new", "age", "field", "line"),
    [
        (False, 1, "1 test", "(quilt3)"),
        (True, 1, "1 test: 1 new", "(quilt3), new"),
        (False, 2, "1 test: 1 known, the oldest for 2 nights", "(quilt3), for 2 nights"),
    ],
)
def test_first_night_is_no_news(new: bool, age: int, field: str, line: str) -> None:  # noqa: FBT001 - parametrised
    """On a first night a failure is neither new nor known, and the numbers agree with their nouns."""
    failed = (drawn.test(1, Verdict.FAILED, "KeyError", new=new, age_nights=age),)
    message = slack.render(replace(drawn.night("red"), tests=failed))
    assert message.blocks[2]["fields"][2]["text"] == f"*To act on*\n{field}"
    assert message.text.splitlines()[-1].endswith(line)


@pytest.mark.parametrize(
    ("new", "age", "colour", "called"),
    [
        (True, 1, Colour.RED, True),
        (False, 1, Colour.RED, True),
        (False, 3, Colour.RED, False),
        (True, 1, Colour.AMBER, False),
    ],
)
def test_owner_is_called_for_the_first_night_of_a_failure(
    new: bool,  # noqa: FBT001 - parametrised
    age: int,
    colour: Colour,
    called: bool,  # noqa: FBT001 - parametrised
) -> None:
    """The owner is called on the first night of a failure, and not for a known one."""
    failed = (drawn.test(1, Verdict.FAILED, "KeyError", new=new, age_nights=age),)
    message = slack.render(replace(drawn.night("red"), colour=colour, tests=failed), mention="S1")
    assert ("<!subteam^S1>" in message.blocks[1]["text"]["text"]) is called


@pytest.mark.parametrize(("nights", "told"), [(0, ""), (1, ""), (2, ", not green for 2 nights")])
def test_last_line_says_how_long_green_is_missing(nights: int, told: str) -> None:
    """From the second night on, the last line states for how many nights GREEN has been missing."""
    context = slack.render(replace(drawn.night("red"), not_green_nights=nights)).blocks[-1]["elements"][0]["text"]
    assert context.endswith(f"why: the night is RED{told}")


@pytest.mark.parametrize(
    ("name", "told"),
    [("green", "✅ Recovered: GREEN with 23 of 23"), ("red", ""), ("blocked", ""), ("interrupted", "")],
)
def test_recovery_answers_a_red_night_only_when_it_is_over(name: str, told: str) -> None:
    """Only a GREEN or AMBER night with an earlier alarm has a recovery."""
    sent = replace(drawn.night("red"), slack=SlackDelivery(delivered=True, channel="C1", ts="1.0"))
    recovery = slack.render(drawn.night(name), alarm=night_of(sent)).recovery
    assert recovery.startswith(told)
    assert bool(recovery) is bool(told)
    assert slack.render(drawn.night(name)).recovery == ""


def test_link_is_a_button_only_where_it_opens() -> None:
    """Only http and https links become buttons; a path on disk is plain text."""
    kinds = [[b["type"] for b in slack.render(drawn.night("red"), link).blocks] for link in ("/x.html", "https://x/r")]
    assert [found.count("actions") for found in kinds] == [0, 1]


def test_secret_is_redacted_before_it_is_escaped() -> None:
    """A secret with `&` and `<` is masked before escaping could hide it from the redactor."""
    secret = "planted&refresh<token>"
    report = replace(drawn.night("red"), tests=(drawn.test(1, Verdict.FAILED, f"KeyError: {secret}"),), rerun=secret)
    message = slack.render(redacted(report, lambda text: text.replace(secret, "***")))
    whole = json.dumps([message.text, message.blocks, message.replies])
    assert secret not in whole
    assert slack.escape(secret) not in whole
    assert "***" in whole


def test_parsed_text_gives_the_numbers_back() -> None:
    """Totals, colour and headline are read back from the text; a text without them yields none."""
    report = drawn.night("red")
    assert slack.parse(slack.render(report).text) == (dict(words.totals_pairs(report.totals)), "RED", report.cause)
    assert slack.parse("nothing") == ({}, "", "")


@pytest.mark.parametrize(
    ("block", "sentence"),
    [
        ({"type": "header", "text": {"text": "x" * 151}}, "a header has 151 characters, allowed are 1 to 150"),
        ({"type": "section", "text": {"text": ""}}, "a section has 0 characters, allowed are 1 to 3000"),
        ({"type": "section", "fields": [{"text": "x" * 2001}]}, "a field has 2001 characters, allowed are 1 to 2000"),
        ({"type": "section", "fields": [{"text": "x"}] * 11}, "a section has 11 fields, allowed are 10"),
        ({"type": "context", "elements": []}, "a context has 0 elements"),
        ({"type": "actions", "elements": [{"text": {"text": "x" * 76}, "url": "u"}]}, "a button has 76 characters"),
        ({"type": "actions", "elements": [{"text": {"text": "x"}, "url": ""}]}, "a button URL has 0 characters"),
        ({"type": "video"}, "the block type `video` is not one of ours"),
    ],
)
def test_limits_name_what_breaks_them(block: dict[str, Any], sentence: str) -> None:
    """Each broken limit is one sentence."""
    assert slack_limits.check("text", [block])[0].startswith(sentence)
    assert slack_limits.check("text", [{"type": "divider"}]) == []


def test_limits_of_the_whole_message() -> None:
    """Text, number of blocks, replies and the total size of the blocks have limits."""
    section = {"type": "section", "text": {"text": "x" * 3000}}
    found = slack_limits.check("", [section] * 13, ["", *["x"] * 5])
    assert [sentence.partition(",")[0] for sentence in found] == [
        "the text has 0 characters",
        "the message has 13 blocks",
        "the thread has 6 replies",
        "a reply has not 1 to 4000 characters",
        "all blocks together exceed 13000",
    ]
