"""Every way to ask a real server passes in another team's interpreter: seen at a socket or by the relay, or vouched."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nightproof.night import open_night
from nightproof.plan import Choice
from nightproof.records import Verdict
from tests.nightproof.foreign import RUN_ID
from tests.nightproof.foreign import Foreign
from tests.nightproof.foreign import whole_night
from tests.nightproof.stranger_clients import PROVEN
from tests.nightproof.stranger_clients import SOURCE

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    from nightproof.records import TestVerdict

pytestmark = pytest.mark.xdist_group("stranger-clients")  # the night is run once, for all of them
SERVERS = Path(__file__).with_name("stranger_servers.py")


@pytest.fixture(scope="module")
def ports(world: Callable[[str], Path]) -> Iterator[dict[str, int]]:
    """Start servers of many protocols in another process."""
    with subprocess.Popen([world("strangers"), SERVERS], stdout=subprocess.PIPE, text=True) as servers:
        assert servers.stdout is not None
        try:
            yield json.loads(servers.stdout.readline())
        finally:
            servers.kill()


@pytest.fixture(scope="module")
def verdicts(
    tmp_path_factory: pytest.TempPathFactory, world: Callable[[str], Path], ports: dict[str, int]
) -> dict[str, TestVerdict]:
    """Run one night with a relay over the suite, and return each verdict by the name of its test."""
    foreign = Foreign(tmp_path_factory.mktemp("clients"), f"http://127.0.0.1:{ports['http']}")
    foreign.write(SOURCE, *PROVEN)
    at = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
    urls = f"""
        api = "http://{at["http"]}"
        grpc = "grpc://{at["grpc"]}"
        orders = "postgresql://tester@{at["postgres"]}/orders?sslmode=disable&gssencmode=disable"
        queue = "{at["echo"]}"
    """
    text = foreign.profile_path.read_text().replace("[[suite]]", f"{urls}\n[[suite]]")
    own = f'python = "{world("strangers")}"\nrelay = true\nhosts = ["{at["redis"]}"]\n'
    own += f'pytest_args = ["-p", "no:asyncio"]\nenv = {{ ECHO = "{ports["echo"]}", REDIS = "{ports["redis"]}" }}\n'
    foreign.profile_path.write_text(text.replace("timeout_s = 30", "timeout_s = 120") + own)
    report = whole_night(open_night(str(foreign.profile_path), Choice(), RUN_ID))
    assert report.reconciliation.violations == ()
    return {test.id.partition("::")[2]: test for test in report.tests}


@pytest.mark.parametrize("name", PROVEN)
def test_a_client_of_this_kind_has_its_evidence(verdicts: dict[str, TestVerdict], name: str) -> None:
    """A test with an answer passes and shows its proof; a test that asks its own server is hollow."""
    test, proof = verdicts[name], PROVEN[name]
    assert (test.verdict, test.attempts[-1].proof) == (Verdict.PASSED if proof else Verdict.HOLLOW, proof), test
    assert bool(test.attempts[-1].vouched) == (proof == "vouched")
