"""One Prefect server for these tests and another team's suite, for flows that run in this process."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.testing.utilities import prefect_test_harness

from flows.nightly import nightly
from tests.nightproof.evidence.wire import serve
from tests.nightproof.foreign import Foreign
from tests.untraced import untraced

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from pathlib import Path

    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import State


@pytest.fixture(scope="session")
def prefect() -> Iterator[None]:
    """Start one Prefect server for the session, with a database in a temporary folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DO_NOT_TRACK", "1")  # tests need no network
        patch.setenv("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
        with ExitStack() as ends:
            with untraced():
                ends.enter_context(prefect_test_harness(server_startup_timeout=180))
            yield


@pytest.fixture
def client(prefect: None) -> Iterator[SyncPrefectClient]:
    """Yield a client of the server."""
    del prefect
    with get_client(sync_client=True) as found:
        yield found


@pytest.fixture
def foreign(tmp_path: Path) -> Iterator[Foreign]:
    """Serve an application and write another team's suite of one honest test for it."""
    with serve() as shop:
        made = Foreign(tmp_path, shop.url)
        made.write()
        yield made


@pytest.fixture
def run(prefect: None, foreign: Foreign) -> Callable[..., State[Any]]:
    """Return a function that runs the nightly over the foreign suite, as the command line does, to its final state."""
    del prefect
    flow: Any = nightly.with_options(validate_parameters=False)

    def started(**parameters: Any) -> State[Any]:
        state: State[Any] = flow(str(foreign.profile_path), return_state=True, **parameters)
        return state

    return started
