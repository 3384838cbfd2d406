"""The plan of a run: its cells, its hashes, and one sentence for each wrong choice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from nightproof import progress
from nightproof.errors import UsageError
from nightproof.plan import RUN_ID
from nightproof.plan import CellSpec
from nightproof.plan import Choice
from nightproof.plan import catalogued
from nightproof.plan import hash_files
from nightproof.plan import make_plan
from nightproof.plan import new_run_id
from nightproof.plan import source_files
from nightproof.profile import Suite
from nightproof.redact import Redactor
from nightproof.verdict.catalogue import LOCK_NAME
from nightproof.verdict.catalogue import CatalogueTest

if TYPE_CHECKING:
    from tests.nightproof.foreign import Foreign

RUN = "20261120T020000Z-abcdef"


def test_a_run_id_is_the_second_and_six_letters() -> None:
    """A run id is the second of the given clock and random letters; two ids of one second differ."""
    made = new_run_id(lambda: datetime(2026, 11, 20, 2, 3, 4, tzinfo=UTC), lambda count: bytes(range(count)))

    assert made == "20261120T020304Z-aaaqea"
    assert RUN_ID.fullmatch(new_run_id())
    assert new_run_id() != new_run_id()


def test_a_plan_has_one_cell_per_backend(foreign: Foreign) -> None:
    """A plan has one cell per declared backend, over the same tests."""
    foreign.write(backends=("fast", "slow"))

    plan = make_plan(foreign.profile(), Choice(), RUN)

    assert [cell.key for cell in plan.cells] == ["shop-fast", "shop-slow"]
    assert all(set(cell.tests) == {"shop/test_it::test_front"} for cell in plan.cells)
    assert plan.run_dir == foreign.state / "runs" / RUN
    assert plan.cells[0].timeout_s == 30


def test_a_suite_without_backends_has_the_default_one(foreign: Foreign) -> None:
    """A suite without backends has one cell on `default`."""
    plan = make_plan(foreign.profile(), Choice(), RUN)

    assert [cell.key for cell in plan.cells] == ["shop-default"]


def test_workers_share_the_files_of_a_part(foreign: Foreign) -> None:
    """Every test is in one share, the tests of a file in the same; serial tests are one share, and none is empty."""
    tests = {name: CatalogueTest(name) for name in ("s/a::1", "s/a::2", "s/a::3", "s/b::1", "s/b::2", "s/c::1")}
    tests["s/d::1"] = CatalogueTest("s/d::1", serial=True)
    cell = CellSpec(foreign.suite, "s", "default", 30, (), tests, workers=2)

    assert cell.shares(serial=False) == (("s/a::1", "s/a::2", "s/a::3"), ("s/b::1", "s/b::2", "s/c::1"))
    assert cell.shares(serial=True) == (("s/d::1",),)
    assert len(replace(cell, workers=9).shares(serial=False)) == 3
    assert replace(cell, workers=1).shares(serial=False) == (cell.part(serial=False),)
    assert replace(cell, tests={}).shares(serial=False) == ()


def test_a_choice_narrows_the_plan_and_names_the_rerun(foreign: Foreign) -> None:
    """The choice is part of the rerun command, quoted for a shell."""
    foreign.write(backends=("fast", "slow"))
    choice = Choice(backends=("slow",), suites=("shop",), keep_resources=True)

    plan = make_plan(foreign.profile(), choice, RUN, "my profile.toml")

    assert [cell.key for cell in plan.cells] == ["shop-slow"]
    assert plan.rerun == ("nightproof run --profile 'my profile.toml' --backend slow --suite shop --keep-resources")


def test_a_profile_may_select_tests_by_name(foreign: Foreign) -> None:
    """`select` is a regular expression on test ids."""
    foreign.lock("test_front", "test_cart", "test_cart_again")
    profile = foreign.profile(suite=(Suite(path=foreign.suite, select="cart$"),))

    assert set(make_plan(profile, Choice(), RUN).cells[0].tests) == {"shop/test_it::test_cart"}


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (Choice(suites=("shpo",)), ["no suite `shpo`", "Did you mean `shop`?", "Give one of: shop."]),
        (Choice(backends=("sloww",)), ["no backend `sloww`", "Did you mean `slow`?", "Give one of: fast, slow."]),
        (Choice(backends=("xyz",)), ["no backend `xyz` in `shop`.", " Give one of: fast, slow."]),
    ],
    ids=["suite", "backend", "nothing-near"],
)
def test_an_unknown_choice_is_one_sentence(foreign: Foreign, choice: Choice, words: list[str]) -> None:
    """An unknown choice is one sentence with the value, the valid ones, and the nearest if there is one."""
    foreign.write(backends=("fast", "slow"))

    with pytest.raises(UsageError) as caught:
        make_plan(foreign.profile(), choice, RUN)

    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_an_unknown_backend_of_the_profile_is_refused(foreign: Foreign) -> None:
    """A backend in the profile that the suite lacks is refused."""
    foreign.write(backends=("fast",))
    profile = foreign.profile(suite=(Suite(path=foreign.suite, backends=("fats",)),))

    with pytest.raises(UsageError, match=r"no backend `fats` in `.*shop`\. Did you mean `fast`\?"):
        make_plan(profile, Choice(), RUN)


@pytest.mark.parametrize("has_suite", [True, False], ids=["nothing-selected", "no-suite"])
def test_a_plan_without_a_test_is_refused(foreign: Foreign, *, has_suite: bool) -> None:
    """A plan without a test is refused, as its night would be green and mean nothing."""
    suites = (Suite(path=foreign.suite, select="no_such_name"),) if has_suite else ()

    with pytest.raises(UsageError, match="The profile `shop` selects no test: name a suite, or widen `select`"):
        make_plan(foreign.profile(suite=suites), Choice(), RUN)


def test_a_missing_suite_folder_is_named(foreign: Foreign) -> None:
    """A missing suite folder is named with the key of the profile."""
    profile = foreign.profile(suite=(Suite(path=foreign.folder / "gone"),))

    with pytest.raises(UsageError, match=r"no suite folder `.*gone`: correct \[\[suite\]\] path"):
        make_plan(profile, Choice(), RUN)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{ not json", "it is not JSON"),
        ('{"schema": 9, "suites": {}}', "its schema is 9, not 1"),
        ('{"schema": 1}', "it holds no `suites`"),
        ('{"schema": 1, "suites": {"shop": {"backends": []}}}', "is incomplete"),
    ],
    ids=["torn", "schema", "empty", "incomplete"],
)
def test_a_damaged_lock_is_one_sentence(foreign: Foreign, text: str, why: str) -> None:
    """A damaged lock is one sentence with file, damage and remedy."""
    (foreign.suite / "catalogue.lock.json").write_text(text)

    with pytest.raises(UsageError) as caught:
        make_plan(foreign.profile(), Choice(), RUN)

    assert f"`{foreign.suite / 'catalogue.lock.json'}` is damaged: " in str(caught.value)
    assert why in str(caught.value)
    assert "Restore it from version control" in str(caught.value)


def test_equal_nights_have_equal_keys(foreign: Foreign) -> None:
    """The run key changes with a file of the suite and with a build, and with nothing else."""
    first = make_plan(foreign.profile(), Choice(), RUN)
    same = make_plan(foreign.profile(), Choice(), "20261121T020000Z-abcdef")
    builds = {"catalog": "1.0"}
    assert first.run_key(builds) == same.run_key(builds)
    assert first.run_key(builds) != first.run_key({"catalog": "1.1"})

    (foreign.suite / "test_it.py").write_text("def test_front(): assert 1 + 1 == 2\n")

    assert make_plan(foreign.profile(), Choice(), RUN).run_key(builds) != first.run_key(builds)


def test_compiled_files_do_not_change_a_hash(foreign: Foreign) -> None:
    """Compiled files do not change a suite's hash."""
    before = hash_files(sorted(foreign.suite.rglob("*")))
    (foreign.suite / "__pycache__").mkdir()
    (foreign.suite / "__pycache__" / "test_it.pyc").write_bytes(b"compiled")

    assert hash_files(sorted(foreign.suite.rglob("*"))) == before


def test_a_catalogued_suite_passes(foreign: Foreign) -> None:
    """A suite with a declared test that no longer exists is not refused."""
    foreign.lock("test_front", "test_gone")

    plan = make_plan(foreign.profile(), Choice(), RUN)

    assert catalogued(plan, Redactor()) == plan


def test_uncatalogued_tests_block_their_suite_by_name(foreign: Foreign) -> None:
    """Unregistered tests block their suite: three are named, the others counted, and all are declared."""
    foreign.write("\n".join(f"def test_{number}(): assert {number} < 9" for number in range(5)), "test_0")

    (cell,) = catalogued(make_plan(foreign.profile(), Choice(), RUN), Redactor(), "my profile.toml").cells

    assert "lacks `shop/test_it::test_1`, `shop/test_it::test_2`, `shop/test_it::test_3` and 1 more" in cell.blocked
    assert f"run `nightproof catalogue --profile 'my profile.toml' --update {foreign.suite}`" in cell.blocked
    assert list(cell.tests) == [f"shop/test_it::test_{number}" for number in range(5)]
    assert [cell.shares(serial=serial) for serial in (False, True)] == [(), ()]


def test_a_strict_profile_refuses_uncatalogued_tests(foreign: Foreign) -> None:
    """A strict profile refuses unregistered tests with the same sentence before any test."""
    foreign.write("def test_0(): pass\ndef test_1(): pass", "test_0")

    with pytest.raises(UsageError, match="lacks `shop/test_it::test_1`: run `nightproof catalogue --profile"):
        catalogued(make_plan(foreign.profile(strict_catalogue=True), Choice(), RUN), Redactor())


def test_a_suite_that_cannot_be_imported_is_announced_without_its_secrets(
    foreign: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The announced error of a suite that cannot be imported is masked."""
    foreign.write('raise RuntimeError("planted-of-tonight and xoxb-1234567890-abcdef")')
    news: list[str] = []
    monkeypatch.setattr(progress, "LISTENERS", [lambda told: news.append(told.text)])

    catalogued(make_plan(foreign.profile(), Choice(), RUN), Redactor(["planted-of-tonight"]))

    assert "RuntimeError: [redacted] and [redacted]" in news[0]


def test_state_and_environments_are_no_part_of_a_suite(foreign: Foreign) -> None:
    """A state directory, a cache or a virtual environment in the suite's folder leaves its hash as it was."""
    before = source_files(foreign.suite)
    for name in (".nightproof/runs/log", ".pytest_cache/x", "env/pyvenv.cfg", "env/lib/module.py"):
        path = foreign.suite / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    assert source_files(foreign.suite) == before
    assert [path.name for path in before] == ["catalogue.lock.json", "suite.toml", "test_it.py"]


@pytest.mark.parametrize("content", [None, "{", '{"schema": 1, "suites": {}}', '{"schema": 1, "suites": {"shop": {}}}'])
def test_the_remedy_for_a_lock_can_be_pasted(foreign: Foreign, content: str | None) -> None:
    """The command that updates a lock names the profile, so that the suite is collected in its own world."""
    lock = foreign.suite / LOCK_NAME
    lock.unlink()
    if content:
        lock.write_text(content)
    with pytest.raises(UsageError) as refusal:
        make_plan(foreign.profile(), Choice(), RUN)
    command = f"nightproof catalogue --profile {foreign.profile_path} --update {foreign.suite}"
    assert f"`{command}`" in str(refusal.value)
