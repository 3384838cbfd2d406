"""What a page in a browser can reach of nightproof: nothing without our own Host, Origin and login."""

from __future__ import annotations

import base64
import http.client
import stat
import sys
from typing import TYPE_CHECKING

import pytest

from deployments.state import auth_path
from tests.deployments.conftest import LOOPBACK
from tests.deployments.conftest import listening
from tests.deployments.conftest import processes
from tests.nightproof.foreign import open_to_others

if TYPE_CHECKING:
    from tests.deployments.conftest import Up

pytestmark = [
    pytest.mark.timeout(240),  # the supervisor's start on a busy machine
    pytest.mark.xdist_group("up"),  # one supervisor for all of them, in their order
    pytest.mark.skipif(sys.platform != "linux", reason="the supervisor's fixture looks into /proc"),
]
FILTER = "/api/deployments/filter"
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol": "prefect",
}
EVIL = "http://evil.example"


def ask(up: Up, method: str, path: str, headers: dict[str, str], *, login: bool = True) -> tuple[int, dict[str, str]]:
    """Send one request with exactly these headers; return the answer's status and headers."""
    own = dict(headers)
    if login:
        own["Authorization"] = "Basic " + base64.b64encode(":".join(up.login).encode()).decode()
    port = int(up.url.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.putrequest(method, path, skip_host="Host" in own, skip_accept_encoding=True)
        for name, value in own.items():
            connection.putheader(name, value)
        body = b"{}" if method == "POST" else b""
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


def test_the_api_asks_for_its_login(up: Up) -> None:
    """The API answers 401 without the right login; the health check needs none."""
    assert ask(up, "POST", FILTER, {"Content-Type": "application/json"})[0] == 200
    assert ask(up, "POST", FILTER, {"Content-Type": "application/json"}, login=False)[0] == 401
    wrong = {"Authorization": "Basic " + base64.b64encode(b"nightproof:guess").decode()}
    assert ask(up, "POST", FILTER, wrong, login=False)[0] == 401
    assert ask(up, "GET", "/api/health", {}, login=False)[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("POST", FILTER, {"Content-Type": "application/json"}),
        ("POST", FILTER, {"Content-Type": "text/plain"}),  # a simple request: no preflight precedes it
        ("OPTIONS", FILTER, {"Access-Control-Request-Method": "POST"}),
        ("GET", "/api/health", {}),
        ("GET", "/ui-settings", {}),
        ("GET", "/api/events/out", HANDSHAKE),
        ("GET", "/api/logs/out", HANDSHAKE),
    ],
)
def test_a_foreign_page_is_refused(up: Up, method: str, path: str, more: dict[str, str]) -> None:
    """A foreign Origin (or `null`) is refused even with the login; a foreign Host is refused whatever the Origin."""
    port = up.url.rpartition(":")[2]
    for origin in (EVIL, "null", "http://127.0.0.1:1", f"https://127.0.0.1:{port}", f"{up.url}.evil.example"):
        status, headers = ask(up, method, path, {**more, "Origin": origin})
        assert (status, headers.get("access-control-allow-origin")) == (403, None), origin
    for host in (f"evil.example:{port}", "127.0.0.1", f"127.0.0.1.evil.example:{port}", ""):
        refused = ask(up, method, path, {**more, "Host": host})[0]
        assert refused == (403 if more is HANDSHAKE else 421), host


def test_the_own_page_is_let_in(up: Up) -> None:
    """Our own page may load, read settings, preflight, send requests and open a WebSocket under both loopback names."""
    port = up.url.rpartition(":")[2]
    for name in ("127.0.0.1", "localhost"):
        own = {"Host": f"{name}:{port}", "Origin": f"http://{name}:{port}"}
        assert ask(up, "GET", "/", own | {"Accept": "text/html"}, login=False)[0] in {200, 307}
        assert ask(up, "GET", "/ui-settings", own, login=False)[0] == 200
        status, headers = ask(up, "OPTIONS", FILTER, own | {"Access-Control-Request-Method": "POST"}, login=False)
        assert (status, headers["access-control-allow-origin"]) == (200, own["Origin"])
        assert ask(up, "POST", FILTER, own | {"Content-Type": "application/json"})[0] == 200
        assert ask(up, "GET", "/api/events/out", own | HANDSHAKE, login=False)[0] == 101


def test_supervisor_and_worker_listen_on_loopback(up: Up) -> None:
    """No process of the supervisor, server or worker listens on an address other than loopback."""
    assert listening(processes(up.foreign.folder)) == {LOOPBACK}


def test_the_login_is_its_owners_alone(up: Up) -> None:
    """The login is stored in a file of mode 0600; the output of `up` names that file and not the password."""
    path = auth_path(up.foreign.state)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    said = (up.foreign.folder / "up.log").read_text()
    assert str(path) in said
    assert up.login[1] not in said


def test_the_state_directory_is_its_owners_alone(up: Up) -> None:
    """No other user can read the state directory, with Prefect's database, the login and the logs."""
    state = up.foreign.state
    assert {"prefect.db", "login", "server.log"} <= {path.name for path in (state / "prefect").iterdir()}
    assert open_to_others(state) == []
