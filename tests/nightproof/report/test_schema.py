"""The committed schema of report.json: `python -m nightproof.report.schema` writes it again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import jsonschema  # type: ignore[import-untyped] # ships no types
import pytest

from nightproof.report import schema
from tests.golden import samples

if TYPE_CHECKING:
    from pathlib import Path


def test_committed_schema_is_the_one_of_the_records() -> None:
    """The committed schema is that of the records: `python -m nightproof.report.schema` writes it."""
    assert schema.PATH.read_text(encoding="utf-8") == schema.schema_text()


@pytest.mark.parametrize("name", samples.NIGHTS)
def test_every_golden_report_obeys_the_schema(name: str) -> None:
    """Every golden report is valid against the schema."""
    report = json.loads((samples.HERE / name / "report.json").read_text(encoding="utf-8"))
    jsonschema.validate(report, json.loads(schema.schema_text()))


def test_schema_refuses_an_unknown_verdict() -> None:
    """The schema refuses an eleventh verdict."""
    report = json.loads((samples.HERE / "green" / "report.json").read_text(encoding="utf-8"))
    report["tests"][0]["verdict"] = "probably"
    with pytest.raises(jsonschema.ValidationError, match="'probably' is not one of"):
        jsonschema.validate(report, json.loads(schema.schema_text()))


def test_update_writes_only_what_changed(tmp_path: Path) -> None:
    """The first update writes the file, the second one changes nothing."""
    path = tmp_path / "docs" / "report.schema.json"
    assert schema.update(path)
    assert path.read_text(encoding="utf-8") == schema.schema_text()
    assert not schema.update(path)
