"""The plugin in real pytest processes: bare runs, foreign projects, child processes and evidence folders."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.nightproof.evidence.wire import Server

LIMIT_S = 240  # for a busy machine
HONEST = """
    import os, requests
    def test_it(): assert requests.get(os.environ["SHOP"]).status_code == 200
"""
CHILD = """
    import os, subprocess, sys
    CODE = "import urllib.request; print(urllib.request.urlopen('" + os.environ["SHOP"] + "').status)"
    def test_it(): assert subprocess.check_output([sys.executable, "-c", CODE], text=True) == "200\\n"
"""
FAILING = """
    import os, requests
    def test_it():
        signed = os.environ["SHOP"] + "/?X-Amz-Signature=abcdef"
        answer = requests.get(signed, headers={"Authorization": "Bearer tok-123"})
        assert answer.json() == {}
"""


def run_pytest(folder: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder, without the variables of this pytest run but for the options of all child sessions."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NIGHTPROOF_", "PYTEST_"))}
    kept["PYTEST_ADDOPTS"] = os.environ["PYTEST_ADDOPTS"]  # which tests/conftest.py sets
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *args]
    return subprocess.run(
        command, cwd=folder, env=kept | env, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )


def write_suite(folder: Path, source: str, *, is_suite: bool = True) -> Path:
    """Write a suite of one file; return its folder."""
    if is_suite:
        (folder / "suite.toml").write_text('name = "shop"\n')
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_it.py").write_text(dedent(source))
    return folder


def test_bare_pytest_gathers_evidence_and_prints_it(tmp_path: Path, server: Server) -> None:
    """Plain pytest with the plugin prints one line per test and writes its log below .nightproof/adhoc."""
    done = run_pytest(write_suite(tmp_path, HONEST), SHOP=server.url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "shop/test_it::test_it: 1 assertions, exchanges: http 1" in done.stdout
    (log,) = (tmp_path / ".nightproof" / "adhoc").glob("adhoc-*/events.jsonl")
    kinds = [json.loads(line)["$report_type"] for line in log.read_text().splitlines()]
    assert kinds[:3] == ["CellStart", "Collected", "TestStart"]
    assert kinds[-2:] == ["TestEvidence", "CellEnd"]


def test_plugin_is_inert_outside_suites(tmp_path: Path, server: Server) -> None:
    """In another project's pytest the plugin sends no header, writes nothing and loads nothing."""
    source = (
        HONEST + "\n    import sys\n    def test_loaded(): assert 'nightproof.evidence.session' not in sys.modules\n"
    )
    done = run_pytest(write_suite(tmp_path, source, is_suite=False), SHOP=server.url)
    assert done.returncode == 0, done.stdout
    assert "evidence" not in done.stdout
    assert "X-Test-Id" not in server.headers_seen[0]
    assert not (tmp_path / ".nightproof").exists()


def test_stale_bytecode_does_not_hide_assertions(tmp_path: Path, server: Server) -> None:
    """A module that pytest cached without assertion counting is rewritten."""
    write_suite(tmp_path, HONEST, is_suite=False)
    run_pytest(tmp_path, SHOP=server.url)
    (tmp_path / "suite.toml").write_text('name = "shop"\n')
    assert "1 assertions" in run_pytest(tmp_path, SHOP=server.url).stdout


def test_child_process_of_a_test_counts(tmp_path: Path, server: Server) -> None:
    """A child process inherits id and recorders, and its exchange counts for the test."""
    done = run_pytest(write_suite(tmp_path, CHILD), SHOP=server.url)
    assert "exchanges: http 1" in done.stdout, done.stdout
    assert server.headers_seen[0]["X-Test-Id"].endswith(":subject:call")


def test_child_started_by_the_observer_is_no_evidence(tmp_path: Path, server: Server) -> None:
    """A child process started in an observer block gives no evidence."""
    observed = "from nightproof.evidence import channel\n    @channel('observer')\n    def test_it():"
    source = CHILD.replace("def test_it():", observed)
    done = run_pytest(write_suite(tmp_path, source), SHOP=server.url)
    assert "1 assertions, exchanges: none" in done.stdout, done.stdout
    assert server.headers_seen[0]["X-Test-Id"].endswith(":observer:call")


def test_failed_test_leaves_its_exchanges_without_secrets(tmp_path: Path, server: Server) -> None:
    """A failed test leaves masked requests and answers, and the rerun command."""
    done = run_pytest(write_suite(tmp_path, FAILING), "--backend", "blue", SHOP=server.url)
    assert done.returncode == 1
    (folder,) = (tmp_path / ".nightproof" / "adhoc").glob("adhoc-*/evidence/*-blue")
    text = (folder / "exchanges.json").read_text()
    (pair,) = json.loads(text)
    assert pair["response"]["status"] == 200
    assert '"ok": true' in pair["response"]["body"]
    assert not [secret for secret in ("tok-123", "abcdef", "planted-secret") if secret in text]
    command = f"{sys.executable} -m pytest -p no:cacheprovider --backend blue test_it.py::test_it"
    assert (folder / "rerun.txt").read_text() == f"#!/bin/sh\ncd {tmp_path} || exit\n{command}\n"


@pytest.mark.parametrize(("args", "words"), [(["-n", "2"], "without `-n`"), (["--assert=plain"], "--assert=plain")])
def test_what_would_falsify_evidence_is_refused(args: list[str], words: str, tmp_path: Path) -> None:
    """Several workers, and assertions that are not counted, are usage errors."""
    done = run_pytest(write_suite(tmp_path, HONEST), *args)
    assert done.returncode == 4
    assert words in done.stderr


def test_ledger_fixture_writes_before_the_resource_exists(tmp_path: Path) -> None:
    """The ledger fixture appends to the cell's ledger before the resource exists."""
    source = 'def test_it(ledger): assert ledger.intent("object", {"bucket": "b", "key": "k"})'
    path = tmp_path / "cells" / "ledger.jsonl"
    done = run_pytest(write_suite(tmp_path, source), NIGHTPROOF_LEDGER=str(path))
    assert done.returncode == 0, done.stdout
    assert json.loads(path.read_text())["event"] == "intent"


@pytest.mark.parametrize(
    ("toml", "source", "words"),
    [
        ("name = [", "def test_it(): pass", "is not TOML"),
        (
            'name = "shop"\n[unsupported]\nlocal-session = "no browser"\n',
            'from nightproof.evidence import case\n@case(unsupported={"slow": "typo"})\ndef test_it(): pass\n',
            "for the reason `typo`, which suite.toml lacks: add it to [unsupported], or use one of local-session.",
        ),
    ],
    ids=["toml", "reason"],
)
def test_a_slip_of_a_suite_is_one_sentence(tmp_path: Path, toml: str, source: str, words: str) -> None:
    """A suite's wrong usage ends pytest before any test, without a traceback of ours."""
    write_suite(tmp_path, source)
    (tmp_path / "suite.toml").write_text(toml)
    done = run_pytest(tmp_path)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert words in " ".join((done.stdout + done.stderr).split())
    assert "Traceback" not in done.stdout + done.stderr


def test_a_fixture_tells_the_backend_under_test(tmp_path: Path) -> None:
    """A fixture returns the backend under test, `default` without the option."""
    write_suite(tmp_path, 'def test_it(backend): assert backend == "fast"')
    assert "1 passed" in run_pytest(tmp_path, "--backend", "fast").stdout
    assert "assert 'default' == 'fast'" in run_pytest(tmp_path).stdout


def test_a_second_sitecustomize_still_runs(tmp_path: Path, server: Server) -> None:
    """The plugin's sitecustomize runs an existing one too."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("import sys; sys.was_customized = True\n")
    source = CHILD.replace("import urllib.request", "import sys; assert sys.was_customized; import urllib.request")
    done = run_pytest(write_suite(tmp_path, source), SHOP=server.url, PYTHONPATH=str(tmp_path / "site"))
    assert "1 passed" in done.stdout, done.stdout
