"""The forms and deployments: what the UI shows, and that each entrypoint exists."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from typing import Any

import pytest
import yaml
from prefect.client.schemas.schedules import CronSchedule
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema

from flows import form
from flows.cleanup import cleanup
from flows.nightly import nightly
from nightproof.target import ROOT

if TYPE_CHECKING:
    from tests.nightproof.foreign import Foreign

DEPLOYMENTS: list[dict[str, Any]] = yaml.safe_load((ROOT / "deployments" / "prefect.yaml").read_text())["deployments"]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda deployment: str(deployment["name"]))
def test_every_deployment_loads(deployment: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each deployment's entrypoint is a flow; it has a description, our pool, and valid schedules in UTC."""
    monkeypatch.chdir(ROOT)
    flow: Any = load_flow_from_entrypoint(deployment["entrypoint"])
    assert flow.name == deployment["entrypoint"].partition(":")[2]
    assert deployment["description"].endswith(".")
    assert deployment["work_pool"] == {"name": "nightproof"}
    for schedule in deployment.get("schedules", []):
        assert CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"]).timezone == "UTC"


def test_only_the_nightly_has_a_schedule() -> None:
    """Only the nightly starts by itself; no cleanup does."""
    assert [found["name"] for found in DEPLOYMENTS if "schedules" in found] == ["nightly"]


@pytest.mark.parametrize("flow", [nightly, cleanup], ids=lambda flow: str(flow.name))
def test_every_field_has_label_and_help(flow: Any) -> None:
    """Each field has a label, a help sentence and a default, cannot be null, and holds no secret."""
    schema = parameter_schema(flow)
    properties = schema.properties
    assert next(iter(properties)) == "environment"
    for shown in properties.values():
        chosen = schema.definitions.get(
            shown.get("$ref", "").rpartition("/")[2], {}
        )  # a drop-down has its enum's label
        assert (shown | chosen)["title"][0].isupper()
        assert shown["description"].endswith(".")
        assert "default" in shown
        assert "anyOf" not in shown
    assert not re.search("secret|token|password", str(properties), re.IGNORECASE)


def test_choices_are_drop_downs() -> None:
    """Environment, suites and backends are drop-downs of what exists."""
    definitions = parameter_schema(nightly).definitions
    assert definitions["Environment"]["enum"] == ["embedded"]
    assert sorted(definitions["Backend"]["enum"]) == ["platform", "quilt3"]
    assert "quilt_ops" in definitions["Suite"]["enum"]


def test_the_cleanup_is_harmless_by_default() -> None:
    """The cleanup's default is a dry run of runs older than a day; the age has bounds."""
    properties = parameter_schema(cleanup).properties
    assert properties["dry_run"]["default"] is True
    assert [properties["min_age_hours"][key] for key in ("default", "minimum", "maximum")] == [24, 1, 8760]


@pytest.mark.parametrize(
    ("own", "names"), [("", ("embedded",)), ("embedded", ("embedded",)), ("/etc/own.toml", ("/etc/own.toml",))]
)
def test_an_own_profile_is_the_only_choice(own: str, names: tuple[str, ...]) -> None:
    """A profile that is not committed is the form's only environment."""
    assert form.environments(own) == names


def test_suites_and_backends_are_those_of_the_profile(foreign: Foreign) -> None:
    """The form offers the profile's suites and backends; an unreadable profile offers none."""
    foreign.write(backends=("slow", "quick"))
    assert form.offered([str(foreign.profile_path)]) == (("shop",), ("slow", "quick"))
    assert form.offered(["/no/such.toml"]) == ((), ())
    assert form.choice("Suite", ()) is str
    assert [member.value for member in form.choice("Suite", ("mro", "a b"))] == ["mro", "a b"]
