"""`nightproof init` leads from a folder of tests and a URL to a first night, or leaves nothing behind."""

from __future__ import annotations

import json
import sys
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from deployments import commands
from nightproof.errors import UsageError
from nightproof.night import open_night
from nightproof.onboarding import words
from nightproof.onboarding.init import set_up
from nightproof.plan import Choice
from nightproof.records import Colour
from nightproof.records import Verdict
from tests.nightproof.foreign import RUN_ID
from tests.nightproof.foreign import whole_night

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping
    from pathlib import Path

    from nightproof.records import RunReport
    from tests.nightproof.evidence.wire import Server

PLAIN = """
    import os, urllib.request
    URL = os.environ["SHOP_URL"]
    def test_front(): assert urllib.request.urlopen(URL).status == 200
"""
MARKED = (
    PLAIN
    + """
    import pytest
    @pytest.mark.skip(reason="needs a printer")
    def test_print(): assert False
    def test_other():
        if not URL: pytest.skip("no shop")
        assert urllib.request.urlopen(URL).status == 200
"""
)
XFAIL = """
    @pytest.mark.xfail(reason="known fault 17")
    def test_known(): assert urllib.request.urlopen(URL).status == 500
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return a function that writes a repository `shop`, its files by their paths, and makes it the working folder."""
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)

    def write(**files: str) -> Path:
        folder = tmp_path / "shop"
        given = {"pytest.ini": "[pytest]\n", **{name.replace("__", "/"): text for name, text in files.items()}}
        for name, text in given.items():
            path = folder / (name if "." in name else f"{name}.py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))
        monkeypatch.chdir(folder)
        return folder

    return write


def night(profile: Path) -> RunReport:
    """Run a night of the profile as the flow would."""
    return whole_night(open_night(str(profile), Choice(), RUN_ID))


def files(folder: Path) -> Mapping[str, bytes]:
    """Return what lies below a folder, without what Python and pytest leave there whenever they run."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


def refusal(*given: object, **named: object) -> str:
    """Return the sentence with which a suite is refused."""
    with pytest.raises(UsageError) as caught:
        set_up(*given, **named)  # type: ignore[arg-type]  # what each test gives
    return str(caught.value)


def test_a_suite_and_a_url_are_a_green_night(project: Callable[..., Path], shop: Server) -> None:
    """Without a manual edit the suite's variable gets the URL, doctor reports ready, and the night is GREEN."""
    folder = project(tests__test_a=MARKED)
    setup = set_up(folder / "tests", [shop.url])
    shown, is_well = commands.doctor(str(setup.profile), as_json=False)
    assert is_well, shown
    report = night(setup.profile)
    assert {test.id: test.verdict for test in report.tests} == {
        "shop/test_a::test_front": Verdict.PASSED,
        "shop/test_a::test_other": Verdict.PASSED,
        "shop/test_a::test_print": Verdict.UNSUPPORTED,
    }
    assert report.colour is Colour.GREEN, report.cause
    assert shop.paths


def test_skips_and_xfails_are_registered_and_told(project: Callable[..., Path]) -> None:
    """Lock and text hold the reasons of marks; skips in bodies are counted, with the command that registers them."""
    setup = set_up(project(tests__test_a=MARKED + XFAIL), ["http://127.0.0.1:9"])
    tests = json.loads(setup.lock.read_text())["suites"]["shop"]["tests"]
    assert tests["shop/test_a::test_print"]["skip"] == "needs a printer"
    assert tests["shop/test_a::test_known"]["xfail"] == "known fault 17"
    told = words.render(setup)
    assert "1: test_a::test_print (needs a printer)" in told
    assert "1: test_a::test_known (known fault 17)" in told
    registering = "nightproof catalogue --profile nightproof.toml --update --from-run latest"
    assert f"1 place skips in a body: register those after the first night with `{registering}`" in told
    assert told.endswith("Next: nightproof run --profile nightproof.toml")
    assert len(told.splitlines()) <= 24
    assert words.as_data(setup)["skips"] == {"shop/test_a::test_print": "needs a printer"}


def test_a_suites_own_interpreter_is_found_and_runs_it(
    project: Callable[..., Path], shop: Server, world: Callable[[str], Path]
) -> None:
    """The project's `.venv` is in the profile as a relative path, and its pytest runs the night."""
    folder = project(tests__test_a=PLAIN)
    (folder / ".venv").symlink_to(world("oldest").parents[1])
    setup = set_up(folder, [f"SHOP_URL={shop.url}"])
    assert 'python = ".venv"\n' in setup.profile.read_text()
    assert setup.versions["pytest"].startswith("7.4.")
    assert "pytest-asyncio" in setup.plugins
    report = night(setup.profile)
    assert [test.verdict for test in report.tests] == [Verdict.PASSED]
    assert "7.4." in json.dumps(report.versions)


@pytest.mark.parametrize(("suite", "name"), [("tests", "shop"), ("checks", "checks")])
def test_a_project_that_nothing_marks_is_around_its_suite(
    project: Callable[..., Path], world: Callable[[str], Path], suite: str, name: str
) -> None:
    """Without a marker file the project is the folder that holds `tests` or `.venv`."""
    folder = project(**{f"{suite}__test_a": "def test_a(): assert 1 + 1 == 2\n"})
    (folder / "pytest.ini").unlink()
    if suite != "tests":
        (folder / "venv").symlink_to(world("oldest").parents[1])
    setup = set_up(folder / suite)
    assert (setup.profile, setup.draft.name) == (folder / "nightproof.toml", name)
    assert ("python" in setup.profile.read_text()) == (suite != "tests")


def test_our_own_environment_is_no_suites(project: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The profile names no interpreter if the project's environment is nightproof's own."""
    folder = project(tests__test_a="def test_a(): assert 1 + 1 == 2\n")
    (folder / ".venv").symlink_to(sys.prefix)
    monkeypatch.setenv("VIRTUAL_ENV", str(folder / ".venv"))
    setup = set_up(folder)
    assert "python" not in setup.profile.read_text()


@pytest.mark.parametrize(
    ("ini", "text"),
    [
        ("pytest.ini", "[pytest]\ntestpaths = checks\n"),
        ("pyproject.toml", '[tool.pytest.ini_options]\ntestpaths = ["checks"]\n'),
        ("setup.cfg", "[tool:pytest]\ntestpaths =\n    checks\n"),
    ],
)
def test_a_repository_names_its_suite(project: Callable[..., Path], ini: str, text: str) -> None:
    """`testpaths` in pytest's settings selects the suite's folder of a repository."""
    folder = project(checks__test_a="def test_a(): assert 1 + 1 == 2\n", tests__test_b="def test_b(): assert True\n")
    (folder / "pytest.ini").unlink()
    (folder / ini).write_text(text)
    setup = set_up(folder)
    assert (setup.place.suite, setup.profile) == (folder / "checks", folder / "nightproof.toml")
    assert list(setup.catalogue.tests) == ["checks/test_a::test_a"]


def test_without_an_address_the_profile_says_what_to_fill_in(project: Callable[..., Path]) -> None:
    """Without an address the profile has a commented endpoint, and the text states which answers count until then."""
    setup = set_up(project(tests__test_a="def test_a(): assert 1 + 1 == 2\n"))
    assert '# [endpoints.urls]\n# system = "https://staging.example.com"\n' in setup.profile.read_text()
    assert "no endpoint: fill in [endpoints.urls] in the profile; until then an answer of any peer counts" in (
        words.render(setup)
    )


def test_literal_addresses_of_the_conftest_are_endpoints(project: Callable[..., Path]) -> None:
    """A web address in conftest.py or pytest's settings becomes an endpoint; one in a docstring does not."""
    conftest = '"""https://docs.example.com"""\nURL = "http://127.0.0.1:9/api"\n'
    ini = "[pytest]\nbase_url = https://shop.example.com/v1\n"
    made = {"pytest.ini": ini, "tests__conftest": conftest, "tests__test_a": "def test_a(): assert 1 + 1 == 2\n"}
    setup = set_up(project(**made))
    assert setup.found.origins == {
        "http://127.0.0.1:9": "tests/conftest.py:2",
        "https://shop.example.com": "pytest.ini",
    }
    assert {one.name: one.url for one in setup.draft.addresses} == {
        "system": "http://127.0.0.1:9",
        "system_2": "https://shop.example.com",
    }


def test_what_the_code_says_is_found_without_importing_it(project: Callable[..., Path]) -> None:
    """Clients, variables and limits are found without importing the code; one address is not given to two variables."""
    source = """
        import os, httpx, pytest
        A = os.environ.get("API_URL", "http://nowhere")
        B = os.getenv("SHOP_URL")
        os.environ["OWN_URL"] = "x"
        DB = os.environ.get("DATABASE_URL")
        @pytest.mark.timeout(7)
        def test_a(): assert httpx.codes.OK == 200
    """
    setup = set_up(project(tests__test_a=source), ["https://shop.example.com"])
    data = words.as_data(setup)
    assert list(data["variables"]) == ["API_URL", "SHOP_URL", "DATABASE_URL"]
    assert (data["clients"], data["time_limits"]) == (["httpx"], ["7 s (tests/test_a.py:7)"])
    assert "[suite.env]" not in setup.profile.read_text()
    assert "API_URL, SHOP_URL, DATABASE_URL" in words.render(setup)


def test_nothing_is_overwritten(project: Callable[..., Path]) -> None:
    """Each of the three files, if present, is named in the refusal, and nothing changes."""
    folder = project(tests__test_a="def test_a(): assert 1 + 1 == 2\n")
    setup = set_up(folder)
    for file in (setup.profile, setup.suite_toml, setup.lock):
        before = files(folder)
        assert refusal(folder).startswith(f"`{file}` is there already, and `init` overwrites nothing: go on with")
        assert files(folder) == before
        file.unlink()


def test_the_lock_of_many_suites_keeps_the_others(project: Callable[..., Path]) -> None:
    """In a folder `suites` the lock gets one more part, and a part of the same name is refused."""
    source = "def test_a(): assert 1 + 1 == 2\n"
    folder = project(suites__shop__test_a=source, suites__bank__test_a=source)
    setup = set_up(folder / "suites" / "shop", profile=folder / "a.toml")
    lock = set_up(folder / "suites" / "bank", profile=folder / "b.toml").lock
    assert (lock, list(json.loads(lock.read_text())["suites"])) == (setup.lock, ["bank", "shop"])
    setup.suite_toml.unlink()
    assert "declares a suite `shop` already" in refusal(setup.place.suite, profile=folder / "c.toml")


def test_a_collection_error_has_pytests_words_and_the_remedy(project: Callable[..., Path]) -> None:
    """A collection that fails for lack of an address shows pytest's error and the `--url` option."""
    folder = project(tests__test_a=PLAIN)
    before = files(folder)
    said = refusal(folder)
    assert "E   KeyError: 'SHOP_URL'" in said
    assert said.endswith("The code reads `SHOP_URL` (tests/test_a.py:3): give it with `--url SHOP_URL=https://…`.")
    assert files(folder) == before


@pytest.mark.parametrize(
    ("urls", "words_said"),
    [
        (["shop.example.com"], "names no scheme: write it as `https://shop.example.com`"),
        (["https://"], "it names no host"),
        (["https://me:hunter22@shop.example.com"], "A password stands in `--url`"),
        (["SHOP_URL="], "it is empty"),
    ],
)
def test_a_url_that_is_none_is_refused(project: Callable[..., Path], urls: list[str], words_said: str) -> None:
    """An invalid URL is refused in one sentence without its password, and nothing is written."""
    folder = project(tests__test_a="def test_a(): assert 1 + 1 == 2\n")
    before = files(folder)
    said = refusal(folder, urls)
    assert words_said in said
    assert "hunter22" not in said
    assert files(folder) == before


def test_what_holds_no_suite_is_refused(project: Callable[..., Path]) -> None:
    """A missing path, a file, a folder without tests and two test folders are refused with a remedy each."""
    folder = project(tests__helper="X = 1\n")
    assert refusal(folder / "gone").startswith(f"There is no folder `{folder / 'gone'}`: give the folder")
    assert refusal(folder / "pytest.ini").startswith(f"`{folder / 'pytest.ini'}` is no folder: give")
    assert refusal(folder) == f"pytest finds no tests in `{folder / 'tests'}`: give the folder that holds them."
    assert "There is no interpreter" in refusal(folder, python=folder / "no-venv")
    (folder / "other").mkdir()
    (folder / "pytest.ini").write_text("[pytest]\ntestpaths = tests other\n")
    assert "names 2 folders" in refusal(folder)


@pytest.mark.parametrize("profile", ["gone/mine.toml", "pytest.ini/mine.toml", f"{'x' * 300}.toml"])
def test_a_place_that_cannot_be_written_leaves_nothing(project: Callable[..., Path], profile: str) -> None:
    """An unwritable folder is named with the reason, and neither suite.toml nor lock remains."""
    folder = project(tests__test_a="def test_a(): assert 1 + 1 == 2\n")
    before = files(folder)
    assert "cannot be written (" in refusal(folder, profile=folder / profile)
    assert files(folder) == before


def test_what_no_night_can_use_is_taken_back(project: Callable[..., Path]) -> None:
    """All written files are removed if the loader refuses them, as for a state directory that is a file."""
    folder = project(**{"tests__test_a": "def test_a(): assert 1 + 1 == 2\n", ".nightproof": "a file"})
    before = files(folder)
    assert "The state directory" in refusal(folder)
    assert files(folder) == before
