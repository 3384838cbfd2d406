"""The table of defects: its tests by backend, and one sentence for each way to write it wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nightproof.errors import UsageError
from nightproof.prove.table import read_table

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """
plugin = "suites._defects.client"
[defect.late]
places = ["aws", "client"]
seconds = 8
kills.all = ["a::x"]
kills.platform = ["a::y", "a::x"]
"""


def write(folder: Path, text: str) -> Path:
    """Write a table into a suite folder."""
    (folder / "defects.toml").write_text(text, encoding="utf-8")
    return folder


def test_a_backend_has_the_common_tests_and_its_own(tmp_path: Path) -> None:
    """A backend has the tests of `all` and its own, without duplicates."""
    (late,) = read_table(write(tmp_path, GOOD)).defects
    assert (late.tests("platform"), late.tests("quilt3")) == (("a::x", "a::y"), ("a::x",))


def test_a_place_is_a_service_or_the_process_of_the_tests(tmp_path: Path) -> None:
    """A place is a service, switched over the wire, or the tests' process."""
    table = read_table(write(tmp_path, GOOD))
    (late,) = table.defects
    assert (late.name, late.services, late.is_in_process, late.seconds) == ("late", ("aws",), True, 8)
    assert table.plugin == "suites._defects.client"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[defect.x]\nkills.all = []", "has a wrong value at `defect.x.places`: Field required."),
        ("[defect.x]\nplaces = []\nkills.all = []", "wrong value at `defect.x.places`"),
        ('[defect.x]\nplaces = ["aws"]\nkils.all = []', "wrong value at `defect.x."),
        ('[defect.x]\nplaces = ["aws"]\nseconds = -1\nkills.all = []', "wrong value at `defect.x.seconds`"),
        ("[defect", "is not TOML"),
    ],
)
def test_a_wrong_table_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    """A wrong table is one sentence with file and key."""
    with pytest.raises(UsageError, match=f"^`{tmp_path}/defects.toml` ") as caught:
        read_table(write(tmp_path, text))
    assert sentence in str(caught.value)


def test_a_missing_table_is_one_sentence(tmp_path: Path) -> None:
    """A suite without a table of defects is refused in one sentence."""
    with pytest.raises(UsageError, match="declares no defects: write"):
        read_table(tmp_path)
