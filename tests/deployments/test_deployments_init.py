"""`nightproof init` on the command line: text or JSON on stdout, or one sentence and exit 3 if nothing was written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.deployments.conftest import Call


def test_init_gives_json_and_refuses_a_second_time(call: Call, tmp_path: Path) -> None:
    """JSON reports what was written and the next command; a second call exits 3 with one sentence."""
    (tmp_path / "test_a.py").write_text("def test_a(): assert 1 + 1 == 2\n")
    code, out, _ = call("init", str(tmp_path), "--url", "http://127.0.0.1:9", "--json")
    data = json.loads(out)
    profile = tmp_path / "nightproof.toml"
    assert (code, data["tests"], data["next"]) == (0, 1, f"nightproof run --profile {profile}")
    assert [profile.exists(), *data["endpoints"]] == [
        True, {"name": "system", "url": "http://127.0.0.1:9", "variable": ""},
    ]  # fmt: skip
    code, out, told = call("init", str(tmp_path), "--url", "http://127.0.0.1:9")
    assert (code, out, told.count("\n")) == (3, "", 1)
    assert f"`{profile}` is there already" in told


def test_init_of_nothing_is_wrong_usage(call: Call, tmp_path: Path) -> None:
    """No path, or a path that does not exist, exits 3 without a traceback."""
    assert call("init")[0] == 3
    code, out, told = call("init", str(tmp_path / "gone"))
    assert (code, out) == (3, "")
    assert told.startswith(f"There is no folder `{tmp_path / 'gone'}`")
