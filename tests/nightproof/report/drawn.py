"""Draw reports whose every text is hostile: long, marked up, multi-line, with names that no layout expects."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any
from typing import Final

from hypothesis import strategies as st

from nightproof.records import CheckResult
from nightproof.records import Colour
from nightproof.records import LedgerAudit
from nightproof.records import RunReport
from nightproof.records import TestVerdict
from nightproof.records import Verdict
from nightproof.verdict.assemble import build_report
from tests.golden import samples

PIECES: Final = (
    "<!channel>", "&amp;", "<b>", "|", "`", "```", "*bold*", "_", "\n", "\x1b[31m", "]]>", "(8 hollow,", "2)",
    "x" * 300, "ü" * 40, "s3://bucket/key", "<script>alert(1)</script>", "[link](javascript:x)", "word", "'\"",
)  # fmt: skip
HOSTILE: Final = st.lists(st.sampled_from(PIECES), max_size=25).map(" ".join)


@cache
def night(name: str) -> RunReport:
    """Return one of the five sample nights."""
    return build_report(samples.NIGHTS[name]())


def test(number: int, verdict: Verdict, reason: str, **changes: Any) -> TestVerdict:
    """Return one of many tests, named by number."""
    base = night("green").tests[0]
    made = replace(base, id=f"quilt_ops/test_many::test_{number}", verdict=verdict, reason=reason, attempts=())
    return replace(made, **changes)


@st.composite
def reports(draw: st.DrawFn) -> RunReport:
    """Draw a report around hostile texts; its numbers need not add up, only fit."""
    base = night(draw(st.sampled_from(sorted(samples.NIGHTS))))
    verdicts = draw(st.lists(st.sampled_from(Verdict), min_size=1, max_size=4))
    texts = draw(st.lists(HOSTILE, min_size=6, max_size=6))
    ages = draw(st.lists(st.integers(0, 40), min_size=1, max_size=3))
    tests = tuple(
        test(i, verdicts[i % len(verdicts)], f"{texts[i % 3]} {i}", id=f"quilt_ops/{texts[3]}::test_{i}",
             owner=texts[4], new=i % 2 == 0, age_nights=ages[i % len(ages)])
        for i in range(draw(st.sampled_from((0, 1, 30, 90))))
    )  # fmt: skip
    check = CheckResult(texts[0], required=True, ok=False, detail=texts[1], remedy=texts[2], duration_s=1.0)
    return replace(
        base,
        colour=draw(st.sampled_from((*Colour, None))),
        profile=texts[5],
        cause=texts[1][:150],
        tests=tests,
        cells=base.cells * draw(st.sampled_from((0, 1, 9))),
        checks=(check,) * draw(st.sampled_from((0, 2, 40))),
        builds={f"system-{i} {texts[0]}": texts[1] for i in range(draw(st.sampled_from((0, 1, 20))))},
        ledger=LedgerAudit(created=40, leaked=40, entries_leaked=tuple(f"{texts[2]} {i}" for i in range(40))),
        rerun=texts[0],
        not_green_nights=ages[0],
    )
