"""Each defect of users, roles and single sign-on falsifies in exactly one way, and only while it is on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testbed.catalog.defects_of_people import DEFECTS
from tests.testbed.catalog.probing_people import PROBES
from tests.testbed.catalog.probing_people import SET_SSO
from tests.testbed.catalog.probing_people import Folk

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    from tests.testbed.catalog.calling import Calling


@pytest.fixture
def folk(catalog: Calling) -> Iterator[Folk]:
    """Yield a maker of users that queries as an admin.

    Its users, the SSO text and all defects are removed after the test.
    """
    made = Folk(catalog)
    yield made
    for name in catalog.control("GET", "defects").json():
        catalog.control("DELETE", f"faults/{name}")
    made.asked(SET_SSO, c=None)
    for table, column in (("extra_roles", "user"), ("users", "name")):
        catalog.sql(f"DELETE FROM {table} WHERE {column} LIKE 'folk-%' OR {column} LIKE 'zz%'")  # noqa: S608 - our names


def test_every_defect_of_people_has_its_probe() -> None:
    """Every declared defect has a probe that shows its effect."""
    assert set(DEFECTS) == set(PROBES)


@pytest.mark.parametrize("name", sorted(PROBES))
def test_a_defect_of_people_bends_what_it_says_and_nothing_without_it(
    folk: Folk, switch: Callable[..., None], name: str
) -> None:
    """A defect changes the probed response as declared, and the response is right before and after."""
    probe, honest, bent = PROBES[name]
    assert probe(folk) == honest
    switch(name)
    assert probe(folk) == bent
    folk.catalog.control("DELETE", f"faults/{name}")
    assert probe(folk) == honest
