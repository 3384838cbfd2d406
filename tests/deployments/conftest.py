"""One `nightproof up` for the session, over another team's suite, with a messenger that records what it receives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import httpx
import pytest

from deployments import cli
from deployments.state import auth_path
from deployments.state import note_path
from nightproof.waiting import await_value
from tests.nightproof.evidence.wire import serve
from tests.nightproof.foreign import Foreign
from tests.untraced import untraced

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterable
    from collections.abc import Iterator

    from tests.nightproof.evidence.wire import Server

    Call = Callable[..., tuple[int, str, str]]

WEBHOOK = "NIGHTPROOF_SLACK_WEBHOOK"
LOOPBACK = "0100007F"  # 127.0.0.1, as /proc/net/tcp writes it
ENDED = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})
HONEST = """
import os, requests
URL = os.environ["NIGHTPROOF_URL_SHOP"]
def test_front(): assert requests.get(URL).status_code == 200
def test_basket(): assert requests.get(URL + "/basket").json()["ok"]
def test_pay(): assert requests.post(URL + "/pay").status_code == 200
"""
HANGING = HONEST.replace(
    "def test_pay(): ", "def test_pay():\n    try: [requests.get(URL + '/hang') for _ in range(9)]\n    finally: "
)
NAMES = ("test_front", "test_basket", "test_pay")


class Messenger(ThreadingHTTPServer):
    """An HTTP server in place of Slack: answers like its webhook and its API, with the status that a test sets."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[str] = []
        self.status = 200

    @property
    def url(self) -> str:
        """Return the base URL of the messenger."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Messenger

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        if self.server.status == 200:
            self.server.got.append(body)
        answer = b"ok" if "hook" in self.path else json.dumps({"ok": True, "ts": "1.2", "channel": "C1"}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_args: Any) -> None:
        pass


@contextmanager
def messenger_serving() -> Iterator[Messenger]:
    """Serve a messenger until the block ends."""
    server = Messenger()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def messenger() -> Iterator[Messenger]:
    """Yield a messenger for one test."""
    with messenger_serving() as server:
        yield server


def processes(folder: Path, words: str = "") -> list[int]:
    """Return the ids of live processes with `folder` in command line or environment, and `words` in the former."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            known = command + (entry / "environ").read_bytes().decode(errors="replace")
            is_dead = (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            continue
        if str(folder) in known and words in command and not is_dead:
            found.append(int(entry.name))
    return found


def listening(pids: Iterable[int]) -> set[str]:
    """Return the addresses on which these processes listen, as /proc/net/tcp writes them."""
    found = set()
    for pid in pids:
        sockets = set()
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):  # closed meanwhile
                sockets.add(str(entry.readlink()))
        for table in ("tcp", "tcp6"):
            rows = [line.split() for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]]
            found |= {row[1].partition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets}
    return found


@dataclass
class Up:
    """A running supervisor with its suite, its application and its messenger."""

    process: subprocess.Popen[str]
    foreign: Foreign
    shop: Server
    messenger: Messenger
    url: str = ""
    said: list[str] = field(default_factory=list)
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=20))

    def api(self, method: str, path: str, **data: Any) -> Any:
        """Call the server's API and return its JSON; repeat while SQLite is busy (503)."""

        def ask() -> httpx.Response | None:
            answer = self.client.request(method, f"{self.url}/api{path}", json=data or None, auth=self.login)
            return None if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else answer

        answer = await_value(ask, 30).raise_for_status()
        return answer.json() if answer.content else None

    @property
    def login(self) -> tuple[str, str]:
        """Return user and password of the API, as `up` stores them in the state directory."""
        user, _, password = auth_path(self.foreign.state).read_text().partition(":")
        return user, password

    def deployment(self, name: str) -> Any:
        """Return a deployment by its name."""
        return self.api("GET", f"/deployments/name/{name}")

    def start(self, name: str = "nightly/manual", **parameters: Any) -> str:
        """Start a flow run as the form does; return its id."""
        made = self.api("POST", f"/deployments/{self.deployment(name)['id']}/create_flow_run", parameters=parameters)
        return str(made["id"])

    def end(self, run: str, deadline_s: float = 120) -> Any:
        """Wait until a flow run has ended; return it."""

        def ended() -> Any:
            found = self.api("GET", f"/flow_runs/{run}")
            return found if found["state_type"] in ENDED else None

        return await_value(ended, deadline_s, 0.2)

    def hanging(self) -> str:
        """Start a run and wait until one of its tests hangs; return the run's id."""
        self.foreign.write(HANGING, *NAMES)
        self.patient()
        self.shop.paths.clear()
        run = self.start()
        await_value(lambda: "/hang" in self.shop.paths, 120)
        return run

    def patient(self) -> None:
        """Raise the limits of the suite, so that a test hangs for longer than a cancel takes."""
        be_patient(self.foreign)


def be_patient(foreign: Foreign) -> None:
    """Set limits of 100 seconds in suite and profile; no test waits that long."""
    (foreign.suite / "suite.toml").write_text('name = "shop"\ntest_timeout_s = 100\n')
    path = foreign.profile_path
    path.write_text(path.read_text().replace("timeout_s = 30", "timeout_s = 100"))


@pytest.fixture(scope="module", autouse=True)
def _children_are_untraced() -> Iterator[None]:
    """Start Prefect's processes without coverage."""
    with untraced():
        yield


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Start the supervisor as a separate process on free ports, with a profile that is not a committed one."""
    folder = tmp_path_factory.mktemp("up")
    with serve() as shop, messenger_serving() as messenger:
        foreign = Foreign(folder, shop.url)
        foreign.write(HONEST, *NAMES, more='cron = "30 3 * * *"\ntimezone = "Europe/Berlin"\nserver_start_s = 190')
        command = [sys.executable, "-m", "deployments.cli", "up", "--profile", str(foreign.profile_path), "--port", "0"]
        with (folder / "up.log").open("w") as log, untraced():
            process = subprocess.Popen(
                command, env=os.environ | {WEBHOOK: f"{messenger.url}/hook"}, stdout=log, stderr=log, text=True
            )
        supervisor = Up(process, foreign, shop, messenger)
        try:
            supervisor.url = _ready(supervisor, folder / "up.log")
            yield supervisor
        finally:
            supervisor.client.close()
            process.terminate()
            try:
                process.wait(100)
            finally:
                process.kill()
                note_path(foreign.state).unlink(missing_ok=True)


def _ready(supervisor: Up, log: Path) -> str:
    def line() -> str:
        assert supervisor.process.poll() is None, log.read_text()
        return next((said for said in log.read_text().splitlines() if said.startswith("Prefect: ")), "")

    return await_value(line, 200).removeprefix("Prefect: ")


@pytest.fixture
def foreign(tmp_path: Path) -> Iterator[Foreign]:
    """Serve an application and write another team's suite of one honest test for it."""
    with serve() as shop:
        made = Foreign(tmp_path, shop.url)
        made.write()
        yield made


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Return a function that runs the command line with these words; it returns exit code, stdout and stderr."""

    def called(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["nightproof", *words])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, told = capsys.readouterr()
        return int(end.value.code or 0), out, told

    return called
