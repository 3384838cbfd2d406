"""Golden files of every writer: after a wanted change run `python -m tests.golden.samples` and review the diff."""

from __future__ import annotations

from typing import Final

import pytest

from tests.golden import samples

FILES: Final = ("report.json", "report.html", "report.md", "junit.xml", "summary.txt", "slack.json")


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("name", samples.NIGHTS)
def test_writer_gives_the_golden_file(name: str, file: str) -> None:
    """Every writer gives, byte for byte, what was reviewed and committed for each of the five nights."""
    written = samples.outputs(samples.NIGHTS[name]())[file]
    golden = samples.HERE / name / file
    assert written == golden.read_text(encoding="utf-8"), f"{golden} differs: `python -m tests.golden.samples`"


def test_no_golden_file_is_left_over() -> None:
    """The folder holds the outputs of the five nights and nothing else."""
    found = {path.relative_to(samples.HERE).as_posix() for path in samples.HERE.glob("*/*") if path.suffix != ".pyc"}
    assert found == {f"{name}/{file}" for name in samples.NIGHTS for file in FILES}
