"""The documentation names every setting, verdict, gate and flag, with the value that the code has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import get_args

import pytest
import typer
from pydantic_core import PydanticUndefined

from deployments.cli import app
from nightproof import profile
from nightproof.evidence.notes import FINDINGS
from nightproof.evidence.observations import IGNORED_CONTEXT
from nightproof.provisioning.checks import KINDS
from nightproof.quilt.recorder import NOT_COMPARED
from nightproof.records import Colour
from nightproof.records import Proof
from nightproof.records import Verdict
from nightproof.side_by_side import Support

if TYPE_CHECKING:
    from pydantic import BaseModel

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SECTIONS: dict[str, type[BaseModel]] = {
    "": profile.Profile,
    "endpoints.": profile.Endpoints,
    "names.": profile.Names,
    "checks.": profile.Check,
    "suite.": profile.Suite,
    "gates.": profile.Gates,
    "slack.": profile.Slack,
}
TABLES = ("endpoints", "names", "gates", "slack")


def rows(page: str) -> dict[str, list[str]]:
    """Return the table rows of a page by the code in their first cell."""
    found = {}
    for line in (DOCS / page).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `"):
            found[cells[0].strip("`")] = cells[1:]
    return found


def written_default(name: str, default: Any) -> str:
    """Return a default as the table writes it."""
    if name in TABLES:
        return "`see below`"
    if name in {"journeys", "endpoints.urls", "suite.env"}:
        return "`{}`"
    if default is PydanticUndefined:
        return "required"
    return f'`"{default}"`' if isinstance(default, str | Path) else f"`{default!r}`"


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_is_documented_with_its_default(section: str) -> None:
    """The settings table has a row per field, with the default that the code has."""
    table = rows("settings.md")
    documented = {
        name: table.get(f"{section}{name}", ["missing"])[0] for name in SECTIONS[section].model_fields
    }  # fmt: skip
    expected = {
        name: written_default(f"{section}{name}", field.default)
        for name, field in SECTIONS[section].model_fields.items()
    }
    assert documented == expected


def test_no_setting_is_documented_that_does_not_exist() -> None:
    """Every row of the settings table belongs to a field or a secret."""
    known = {f"{section}{name}" for section, model in SECTIONS.items() for name in model.model_fields}
    secrets = {f"NIGHTPROOF_{name.upper()}" for name in profile.Secrets.model_fields}
    assert set(rows("settings.md")) == known | secrets


def test_every_need_and_check_is_documented() -> None:
    """The settings page lists each need and each kind of check."""
    text = (DOCS / "settings.md").read_text(encoding="utf-8")
    assert [name for name in [*profile.ALL_NEEDS, *KINDS] if f"`{name}`" not in text] == []


def test_every_verdict_and_colour_is_explained() -> None:
    """The tables list exactly the verdicts and the kinds of proof, and the page names every colour."""
    proofs = {"proof", *get_args(Proof)} - {""}
    assert set(rows("verdicts.md")) == {verdict.value for verdict in Verdict} | proofs
    text = (DOCS / "verdicts.md").read_text(encoding="utf-8")
    assert [colour.value for colour in Colour if colour.value not in text] == []


def test_every_status_and_ignored_answer_is_documented() -> None:
    """The page of the support matrix lists every status, and what the comparison of backends leaves out."""
    page = "support-matrix.md"
    assert set(rows(page)) == {status.value for status in Support}
    text = (DOCS / page).read_text(encoding="utf-8")
    named = {*IGNORED_CONTEXT, *NOT_COMPARED, *FINDINGS} - {"admin"}
    assert [name for name in sorted(named) if f"`{name}`" not in text] == []


def test_every_command_and_flag_is_documented() -> None:
    """Each command of the command line and each of its flags appears in the documentation."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in sorted(DOCS.glob("*.md")))
    group = typer.main.get_command(app)
    commands: dict[str, Any] = getattr(group, "commands")  # noqa: B009 - click's stub hides it behind a protocol
    undocumented = [
        f"{name} {parameter.opts[0]}"
        for name, command in commands.items()
        for parameter in command.params
        if parameter.opts[0].startswith("--")
        and not any(flag in text for flag in (*parameter.opts, *parameter.secondary_opts))
    ]
    assert sorted(name for name in commands if f"nightproof {name}" not in text) == []
    assert undocumented == []


def test_every_link_leads_somewhere() -> None:
    """A relative link on a page, or in the README, names a file that exists."""
    pages = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
    dead = [
        f"{page.name}: {link}"
        for page in pages
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
        if "://" not in link and not (page.parent / link).exists()
    ]
    assert dead == []
