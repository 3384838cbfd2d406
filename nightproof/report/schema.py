"""Generator of docs/report.schema.json from the records; `python -m nightproof.report.schema` writes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from nightproof.records import REPORT

PATH: Final = Path(__file__).parents[2] / "docs" / "report.schema.json"


def schema_text() -> str:
    """Return the schema of report.json as the text of the committed file."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **REPORT.json_schema(mode="serialization")}
    return json.dumps(schema, indent=2) + "\n"


def update(path: Path = PATH) -> bool:
    """Write the committed schema; return whether it changed."""
    old = path.read_text(encoding="utf-8") if path.is_file() else ""
    if old == schema_text():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(schema_text(), encoding="utf-8")
    return True


if __name__ == "__main__":
    update()
