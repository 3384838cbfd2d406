"""Cells of small suites against a real server."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from nightproof.runner.cell import CellPlan
from tests.nightproof.evidence.wire import serve

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from pathlib import Path

    from tests.nightproof.evidence.wire import Server


@pytest.fixture
def server() -> Iterator[Server]:
    """Yield a real HTTP server."""
    with serve() as started:
        yield started


@pytest.fixture
def make_cell(tmp_path: Path, server: Server) -> Callable[..., CellPlan]:
    """Return a maker of cells: a suite of one file, declared ids and a plan against the server."""

    def make(source: str, *names: str, timeout_s: float = 30, **env: str) -> CellPlan:
        suite = tmp_path / "shop"
        suite.mkdir()
        (suite / "suite.toml").write_text('name = "shop"\ntest_timeout_s = 20\n')
        (suite / "test_it.py").write_text(dedent(source))
        given = {
            "NIGHTPROOF_RUN_ID": "20261120T020000Z-abcdef",
            "NIGHTPROOF_CONTROL_URLS": f"shop={server.url}",
            "NIGHTPROOF_URL_SHOP": server.url,
            "NIGHTPROOF_NEEDS": "write",
        }
        return CellPlan(
            suite_path=suite,
            suite="shop",
            backend="default",
            cell_dir=tmp_path / "run" / "cells" / "shop-default",
            env=given | env,
            timeout_s=timeout_s,
            test_ids=tuple(f"shop/test_it::{name}" for name in names),
            grace_s=1.0,
        )

    return make
