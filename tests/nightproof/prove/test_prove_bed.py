"""One testbed of a proof: when it is sound, and its errors for impossible units."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from nightproof.errors import Interrupted
from nightproof.errors import NightproofError
from nightproof.errors import UsageError
from nightproof.ledger import run_tag
from nightproof.plan import new_run_id
from nightproof.profile import Secrets
from nightproof.prove.bed import Bed
from nightproof.prove.table import Defect
from nightproof.runner.cell import GroupRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nightproof.prove.plan import Unit
    from nightproof.target import Target
    from tests.nightproof.prove.conftest import Proving


@pytest.fixture
def bed(proving: Proving, embedded: Target, tmp_path: Path) -> Bed:
    """Take the shared testbed as one that runs already."""
    return Bed(proving.profile, Secrets(), tmp_path, tmp_path / "bed", GroupRegistry(), target=embedded)


@pytest.fixture
def unit(proving: Proving) -> Unit:
    """One unit whose defect is in the tests' process."""
    return proving.unit("client-breaks-all")


@pytest.fixture
def late(bed: Bed, unit: Unit) -> Iterator[Unit]:
    """A unit with a latency defect of the catalog, switched on."""
    defect = Defect(name="catalog-read-latency-8s", places=("catalog",), seconds=8, kills={})
    found = replace(unit, defect=defect)
    bed.switch_on(found)
    yield found
    bed.switch_off(found)


def test_a_clean_testbed_is_sound(bed: Bed) -> None:
    """A testbed without an active fault and without leftovers is sound."""
    assert bed.is_sound(new_run_id())


def test_an_active_defect_is_not_sound(bed: Bed, late: Unit) -> None:
    """A testbed with an active defect is not sound; the defect's seconds are scaled by the time factor."""
    assert not bed.is_sound(new_run_id())
    assert bed._control("GET", "catalog", "faults").json()["active"] == {"catalog-read-latency-8s": [{"seconds": 2.0}]}
    bed.switch_off(late)
    assert bed.is_sound(new_run_id())


def test_something_left_behind_is_not_sound(bed: Bed, embedded: Target) -> None:
    """A testbed is not sound if a resource has the run's tag and no ledger entry."""
    run_id, bucket = new_run_id(), embedded.profile.names.bucket_scratch
    key = f"np-{run_tag(run_id)}/left"
    embedded.seeder_s3().put_object(Bucket=bucket, Key=key, Body=b"x")
    assert not bed.is_sound(run_id)
    embedded.seeder_s3().delete_object(Bucket=bucket, Key=key)
    assert bed.is_sound(run_id)


def test_a_dead_service_is_not_sound(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A testbed with a dead service is not sound."""
    monkeypatch.setattr(type(bed.systems), "deaths", lambda _: ("catalog",))
    assert not bed.is_sound(new_run_id())


def test_a_place_that_is_no_service_is_wrong_usage(bed: Bed, unit: Unit) -> None:
    """An unknown service is a UsageError that lists the known ones."""
    wrong = replace(unit, defect=Defect(name="x", places=("s3",), kills={}))
    with pytest.raises(UsageError, match="no service `s3`: give one of aws, catalog"):
        bed.switch_on(wrong)


def test_a_service_without_an_answer_is_one_sentence(bed: Bed, embedded: Target, unit: Unit) -> None:
    """An unreachable service is one sentence with the service and the request."""
    nowhere = {"services": {"aws": {"url": "http://127.0.0.1:9"}}, "control_token": "t"}
    bed.target = replace(embedded, facts=nowhere, process=None, lifeline=None)
    with pytest.raises(NightproofError, match="The service `aws` gave no answer to PUT `faults/x`"):
        bed.switch_on(replace(unit, defect=Defect(name="x", places=("aws",), kills={})))


def test_a_defect_of_the_process_needs_a_plugin(bed: Bed, unit: Unit) -> None:
    """A defect in the tests' process without a plugin is refused, since the tests would run unbroken."""
    with pytest.raises(
        UsageError, match="`client-breaks-all` is in the tests' process and the table names no `plugin`"
    ):
        bed.execute(replace(unit, plugin=""), new_run_id())


def test_an_interrupted_execution_has_no_verdicts(bed: Bed, unit: Unit) -> None:
    """An interrupted execution raises Interrupted and returns no verdicts."""
    bed.groups.stop_all(0)
    with pytest.raises(Interrupted):
        bed.execute(unit, new_run_id())


def test_a_unit_without_a_defect_has_no_switch(bed: Bed, unit: Unit) -> None:
    """Switching a unit without a defect is an error."""
    with pytest.raises(ValueError, match="no defect to switch"):
        bed.switch_on(replace(unit, defect=None))
