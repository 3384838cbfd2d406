"""The doctor reports the needs of a night and the tests that could run, and changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from deployments.commands import doctor
from nightproof.doctor import diagnose
from nightproof.doctor import render
from nightproof.errors import UsageError
from nightproof.plan import Choice
from nightproof.plan import make_plan
from nightproof.profile import Check
from nightproof.verdict.catalogue import CatalogueTest
from nightproof.verdict.catalogue import SuiteCatalogue
from nightproof.verdict.catalogue import write_lock
from tests.nightproof.foreign import no_secrets

if TYPE_CHECKING:
    from nightproof.doctor import Diagnosis
    from tests.nightproof.foreign import Foreign

RUN = "20261120T020000Z-abcdef"
GONE = "http://127.0.0.1:9/health"


def diagnosis_of(foreign: Foreign, *checks: Check, **secrets: str) -> Diagnosis:
    """Diagnose the foreign suite on two backends, with one test that needs chaos and one unsupported by design."""
    foreign.write(backends=("fast", "slow"))
    with (foreign.suite / "suite.toml").open("a", encoding="utf-8") as file:
        file.write('[unsupported]\nlocal-session = "A session in local files is the client\'s."\n')
    tests = (
        CatalogueTest("shop/test_it::test_front"),
        CatalogueTest("shop/test_it::test_need", needs=("chaos",)),
        CatalogueTest("shop/test_it::test_design", unsupported={"slow": "local-session"}),
    )
    write_lock(foreign.suite, SuiteCatalogue("shop", ("fast", "slow"), {test.id: test for test in tests}))
    profile = foreign.profile(checks=checks)
    return diagnose(make_plan(profile, Choice(), RUN), no_secrets(**secrets))


def test_it_counts_what_each_cell_could_run(foreign: Foreign) -> None:
    """Runnable tests, missing needs and tests unsupported by design are counted per backend."""
    found = diagnosis_of(foreign, Check(kind="http", url=foreign.url))
    assert [(o.backend, o.declared, o.runnable, o.needs, o.by_design) for o in found.outlooks] == [
        ("fast", 3, 2, {"chaos": 1}, {}),
        ("slow", 3, 1, {"chaos": 1}, {"local-session": 1}),
    ]
    assert found.is_well
    assert found.as_data()["is_well"] is True
    assert not (foreign.state / "runs").exists()


def test_its_lines_say_state_secrets_and_outlook(foreign: Foreign) -> None:
    """The lines show failed checks with remedies and unset secrets by name, and never a secret's value."""
    checks = (
        Check(kind="http", url=foreign.url, name="the shop"),
        Check(kind="http", url=GONE, name="the gate"),
        Check(kind="http", url=GONE, name="a nicety", required=False),
    )
    lines = render(diagnosis_of(foreign, *checks, refresh_token="planted-refresh-token")).splitlines()
    assert lines[0] == "shop (live): not ready"
    assert f"  the shop: ok: {foreign.url} answers 200" in lines
    assert any(line.startswith("  the gate: failed: no answer") for line in lines)
    assert any(line.startswith("  a nicety: failed, not required: no answer") for line in lines)
    assert "    remedy: Start the system, or correct its address in the profile." in lines
    (missing,) = (line for line in lines if "secrets not set" in line)
    assert "NIGHTPROOF_JWT_SECRET" in missing
    assert "REFRESH_TOKEN," not in missing.replace("ADMIN_REFRESH_TOKEN,", "").replace("READONLY_REFRESH_TOKEN,", "")
    assert lines[-6:] == [
        "  shop: 3 of 6 tests can run here, 3 are unsupported",
        "    on fast: 2 of 3",
        "      1 test: needs chaos",
        "    on slow: 1 of 3",
        "      1 test: needs chaos",
        "      1 test: by design, local-session: A session in local files is the client's.",
    ]
    assert "planted-refresh-token" not in "\n".join(lines)


def test_a_check_that_is_not_required_leaves_it_well(foreign: Foreign) -> None:
    """A failed check that is not required leaves the diagnosis ready."""
    assert diagnosis_of(foreign, Check(kind="http", url=GONE, required=False)).is_well


def test_an_unknown_check_is_wrong_usage_before_anything_starts(foreign: Foreign) -> None:
    """An unknown check is refused with the nearest kind before a state directory is created."""
    foreign.write(more='checks = [{kind = "htp"}]')
    with pytest.raises(UsageError, match="Did you mean `http`"):
        doctor(str(foreign.profile_path), as_json=False)
    assert not foreign.state.exists()


def test_a_password_in_an_address_is_masked(foreign: Foreign) -> None:
    """A password in an address is masked in the doctor's output."""
    secret_urls = [foreign.url.replace("://", "://joe:hunter2planted@"), "http://joe:hunter2planted@127.0.0.1:9/"]
    found = diagnosis_of(foreign, *(Check(kind="http", url=url) for url in secret_urls))
    assert [check.ok for check in found.checks] == [True, False]
    assert "hunter2planted" not in render(found) + str(found.as_data())
