"""`nightproof up`: server, pool, deployments, automations and worker in one process that watches over them."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from deployments import server as servers
from deployments.alerts import Alerts
from deployments.pulse import Pulse
from deployments.state import SupervisorNote
from deployments.state import auth_path
from deployments.state import kept_auth
from deployments.state import note_path
from deployments.state import place
from deployments.state import write_note
from nightproof.config import profiles
from nightproof.config.loader import load
from nightproof.errors import Blocked
from nightproof.errors import Interrupted
from nightproof.errors import NightproofError
from nightproof.lifeline import Kept
from nightproof.lifeline import keep
from nightproof.plan import Choice
from nightproof.plan import make_plan
from nightproof.plan import new_run_id
from nightproof.profile import PROFILES
from nightproof.progress import announce
from nightproof.target import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from uuid import UUID

    from deployments.server import Server
    from nightproof.profile import Profile
    from nightproof.profile import Secrets

PROFILE_VARIABLE: Final = "NIGHTPROOF_PROFILE"  # the flows' default environment, read at their import
POOL: Final = "nightproof"
ROUND_S: Final = 5.0
WORKER_GRACE_S: Final = 20.0
WORKER_QUERY_S: Final = "3"
log = logging.getLogger(__name__)


def serve(profile_given: str, port: int, show: Callable[[str], None]) -> None:
    """Start everything, watch until a signal, and leave no process behind."""
    told = load(profile_given)
    make_plan(told.profile, Choice(), new_run_id(), profile_given)  # refuse at once what no night could run
    profile, state_dir = told.profile, told.profile.state_dir
    with place(state_dir), ExitStack() as ends:
        auth = kept_auth(state_dir, servers.new_auth)
        announce("prefect", "starting the Prefect server")
        server = servers.start(
            state_dir, with_services=True, port=servers.free_port(port), auth=auth,
            patience_s=profile.server_start_s,
        )  # fmt: skip
        ends.callback(note_path(state_dir).unlink, missing_ok=True)  # goes last: `down` waits for it
        ends.callback(server.stop)
        write_note(state_dir, SupervisorNote(os.getpid(), server.url))
        os.environ.update(_environment(server) | _handed_on(profile_given))
        announce("prefect", "deploying")
        _make_pool()
        _prefect("deploy", "--all", "--prefect-file", "deployments/prefect.yaml")
        supervisor = Supervisor(profile, told.secrets, server)
        ends.callback(supervisor.alerts.stop)
        announce("prefect", "starting the worker")
        supervisor.prepare()
        ends.callback(supervisor.stop)
        show(f"Prefect: {server.url}")
        show(f"Its login, asked once by a browser: {auth if sys.stdout.isatty() else f'see `{auth_path(state_dir)}`'}")
        try:
            supervisor.watch()
        except (KeyboardInterrupt, Interrupted):
            show("stopping")


class Supervisor:
    """Owns the worker; checks it, the server and the runs every few seconds."""

    def __init__(self, profile: Profile, secrets: Secrets, server: Server) -> None:
        self.profile = profile
        self.server = server
        self.secrets = secrets
        self.alerts = Alerts(profile, self.secrets)
        self.pulse = Pulse(server.api)
        self.since = datetime.now(UTC)
        self.worker: Kept | None = None
        self.workers = 0
        self.orphans: frozenset[UUID] = frozenset()

    def prepare(self) -> None:
        """Crash the runs of a dead supervisor, set schedule and automations, start the worker."""
        from deployments import automations  # noqa: PLC0415 - Prefect reads its settings at import
        from deployments import runs  # noqa: PLC0415 - as above

        self.orphans = runs.crash_stale()
        runs.schedule_nightly(self.profile)
        automations.upsert_all()
        self.start_worker()

    def start_worker(self) -> None:
        """Start the worker in a session of its own, tied to this process by the lifeline."""
        command = [
            "prefect", "worker", "start", "--pool", POOL, "--type", "process",
            "--install-policy", "never", "--name", "nightproof",
        ]  # fmt: skip
        self.worker = keep(command, dict(os.environ), self._log_path(), ROOT)
        self.workers += 1

    def watch(self) -> None:
        """Check every 5 s until a signal."""
        while True:
            self.look()
            time.sleep(ROUND_S)

    def look(self) -> None:
        """Check once: a dead server ends the supervisor; a dead worker, a silent server and bad runs become alerts."""
        if self.server.child.process.poll() is not None:
            self.alerts.send("server", "The Prefect server ended by itself; the supervisor ends with it.")
            raise NightproofError(f"The Prefect server ended by itself. Read `{self.server.home / 'server.log'}`.")
        code = self.worker.process.poll() if self.worker else None
        if code is not None:
            self.alerts.send(f"worker-{os.getpid()}-{self.workers}", f"The worker ended by itself (exit {code}).")
        silence = self.pulse.check()
        if silence:
            self.alerts.send(silence.key, silence.sentence)
        if self.pulse.is_there:
            self._look_at_runs(is_worker_dead=code is not None)

    def _look_at_runs(self, *, is_worker_dead: bool) -> None:
        from deployments import runs  # noqa: PLC0415 - Prefect reads its settings at import
        from deployments import watching  # noqa: PLC0415 - as above

        try:
            with watching.bounded_calls():
                if is_worker_dead:
                    self.orphans |= runs.crash_stale()
                    self.start_worker()
                elif self.orphans:
                    self.orphans = runs.crash_stale(self.orphans)
                for trouble in watching.troubles(self.profile, self.since):
                    self.alerts.send(trouble.key, trouble.sentence)
        except Interrupted:
            raise
        except Exception as error:  # noqa: BLE001 - the watch outlives every answer; the next round asks again
            log.warning("The runs could not be looked at in this round: %s: %s", type(error).__name__, error)

    def stop(self) -> None:
        """Cancel active runs through the API, wait for them, then stop the worker; the server ends last."""
        from deployments import runs  # noqa: PLC0415 - Prefect reads its settings at import
        from deployments import watching  # noqa: PLC0415 - as above

        self.pulse.check()
        if self.pulse.is_there:
            try:
                with watching.bounded_calls(tries=3):
                    left = runs.cancel_active()
                if left:
                    log.warning("%d runs did not end in time: %s", len(left), ", ".join(left))
            except Interrupted:
                raise
            except Exception as error:  # noqa: BLE001 - what was not cancelled ends with its worker
                log.warning("The runs could not be cancelled: %s: %s", type(error).__name__, error)
        if self.worker is not None:
            self.worker.stop(WORKER_GRACE_S)

    def _log_path(self) -> Path:
        return self.server.home / "worker.log"


def _handed_on(profile_given: str) -> dict[str, str]:
    """Return the variables with profile and base folder for the worker's processes, whose working directory differs."""
    base = profiles.base_of(profiles.find(profile_given))
    return {PROFILE_VARIABLE: _from_anywhere(profile_given), profiles.WORKDIR_VARIABLE: str(base)}


def _from_anywhere(profile_given: str) -> str:
    """Return the profile so that any working directory finds it: a name stays, a path becomes absolute."""
    path = profiles.find(profile_given)
    return path.stem if path.parent == PROFILES else str(path)


def _environment(server: Server) -> dict[str, str]:
    return servers.environment(server.home, server.api, server.auth) | {
        "NIGHTPROOF_ROOT": str(ROOT),
        "PREFECT_WORKER_QUERY_SECONDS": WORKER_QUERY_S,
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    }


def _make_pool() -> None:
    """Create the work pool, or overwrite the existing one."""
    from prefect.client.orchestration import get_client  # noqa: PLC0415 - Prefect reads its settings at import
    from prefect.client.schemas.actions import WorkPoolCreate  # noqa: PLC0415 - as above
    from prefect.workers.process import ProcessWorker  # noqa: PLC0415 - as above

    template = ProcessWorker.get_default_base_job_template()
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process", base_job_template=template), overwrite=True)


def _prefect(*words: str) -> None:
    """Run one `prefect` command in the project's root; raise Blocked with its last line when it fails."""
    command = [sys.executable, "-m", "prefect", "--no-prompt", *words]
    done: Any = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        last = lines[-1] if lines else "it wrote nothing"
        raise Blocked(f"`prefect {' '.join(words)}` failed, exit {done.returncode}: {last}")
