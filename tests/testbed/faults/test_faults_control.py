"""The control surface: requests it refuses, the faults it switches, and the call log with its bounded memory."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from testbed.faults.control import CallLog
from testbed.faults.control import Faults
from testbed.faults.control import control_routes

if TYPE_CHECKING:
    from pathlib import Path

RIGHT = {"Authorization": "Bearer secret"}
SUBJECT = "run:1:{test}:subject:call"


class Client:
    """A client of an ASGI app that sends one request at a time."""

    def __init__(self, app: Starlette) -> None:
        self._app = app

    def request(self, method: str, path: str, headers: Any = None, **more: Any) -> httpx.Response:
        """Send a request, with the right token unless other headers are given."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://testbed/_nightproof/") as client:
                return await client.request(method, path, headers=headers or RIGHT, **more)

        return asyncio.run(ask())

    def get(self, path: str) -> httpx.Response:
        """Send a GET request."""
        return self.request("GET", path)


@pytest.fixture
def calls(tmp_path: Path) -> CallLog:
    """Return a call log that keeps three calls in memory."""
    return CallLog(tmp_path / "calls" / "log.jsonl", kept=3)


@pytest.fixture
def control(calls: CallLog) -> Client:
    """Return a client with the right token for a control surface with one fault and one defect."""
    faults = Faults({"latency": "delays"}, {"lies": "answers wrongly"})
    return Client(Starlette(routes=control_routes("secret", calls, faults)))


@pytest.mark.parametrize("given", ["", "Bearer wrong", "secret", "Bearer sécret"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "health"), ("GET", "calls"), ("GET", "defects"), ("GET", "faults"), ("PUT", "faults/lies")],
)
def test_every_route_asks_for_the_token(control: Client, method: str, path: str, given: str) -> None:
    """Every route answers 401 to a missing, wrong or non-ASCII token, and switches nothing."""
    answer = control.request(method, f"{path}", headers={"Authorization": given.encode()})
    assert answer.status_code == 401
    assert answer.json()["message"].endswith(".")
    assert control.get("defects").json() == []


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_an_unknown_name_is_not_found(control: Client, method: str) -> None:
    """An unknown fault is answered 404 with a message that holds its name and where the known ones are listed."""
    answer = control.request(method, "faults/no-such-fault", content=b"{}")
    assert answer.status_code == 404
    assert "`no-such-fault`" in answer.json()["message"]


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"{", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b'{"second": 1}', "`second`"),
        (b'{"seconds": "1"}', "`seconds`"),
        (b'{"seconds": true}', "`seconds`"),
        (b'{"operation": 3, "seconds": 1}', "`operation`"),
        (b"{}", "needs the parameter `seconds`"),
        (b'{"seconds": NaN}', "NaN"),
        (b'{"seconds": -Infinity}', "-Infinity"),
        (b'{"seconds": 1e999}', "1e999"),
        (b'{"seconds": -0.1}', "`seconds`"),
        (b'{"seconds": 86401}', "`seconds`"),
        (b'{"seconds": 1' + b"0" * 400 + b"}", "`seconds`"),
        (b'{"seconds": 1, "status": 0}', "`status`"),
        (b'{"seconds": 1, "status": -1}', "`status`"),
        (b'{"seconds": 1, "status": 200}', "`status`"),
        (b'{"seconds": 1, "status": 204}', "`status`"),
        (b'{"seconds": 1, "status": 600}', "`status`"),
        (b'{"seconds": 1, "status": 503.0}', "`status`"),
        (b'{"seconds": 1, "times": 0}', "`times`"),
        (b'{"seconds": 1, "times": -1}', "`times`"),
        (b'{"seconds": 1, "code": "A<B"}', "`code`"),
        (b'{"seconds": 1, "code": ""}', "`code`"),
        (b'{"seconds": 1, "tokens": [1]}', "`tokens`"),
        (b'{"seconds": 1, "user": "\\ud800"}', "not JSON"),
        (b'{"seconds": ' + b"[" * 100_000 + b"}", "not JSON"),
        (b"\xff", "not JSON"),
    ],
)
def test_wrong_parameters_are_refused(control: Client, content: bytes, word: str) -> None:
    """Invalid parameters are answered 400 with the reason, and the fault stays off."""
    answer = control.request("PUT", "faults/latency", content=content)
    assert answer.status_code == 400
    assert word in answer.json()["message"]
    assert control.get("faults").json()["active"] == {}


def test_switches_go_on_and_off(control: Client) -> None:
    """A second PUT replaces the parameters, and a second DELETE changes nothing. Only defects are listed as defects."""
    control.request("PUT", "faults/latency", json={"seconds": 1})
    assert control.request("PUT", "faults/latency", json={"seconds": 2}).json() == {
        "active": {"latency": [{"seconds": 2}]}
    }
    control.request("PUT", "faults/lies")
    assert control.get("defects").json() == ["lies"]
    for _ in range(2):
        assert control.request("DELETE", "faults/lies").json() == {"active": {"latency": [{"seconds": 2}]}}
    assert control.get("faults").json()["known"] == {"latency": "delays", "lies": "answers wrongly"}
    assert control.get("health").json() == {"ok": True}


def test_switches_of_other_aims_stand_beside_each_other(control: Client) -> None:
    """A fault can be set, replaced and removed per user. DELETE without parameters removes all of them."""
    mine, other = {"seconds": 1, "user": "me"}, {"seconds": 2, "user": "you"}
    for parameters in (mine, other, mine | {"seconds": 3}):
        control.request("PUT", "faults/latency", json=parameters)
    assert control.get("faults").json()["active"] == {"latency": [mine | {"seconds": 3}, other]}
    assert control.request("DELETE", "faults/latency", json=mine).json() == {"active": {"latency": [other]}}
    assert control.request("DELETE", "faults/latency").json() == {"active": {}}


def test_a_time_that_is_none_is_refused(control: Client) -> None:
    """A `since` that is not a number is answered 400."""
    answer = control.get("calls?since=yesterday")
    assert answer.status_code == 400
    assert "`yesterday`" in answer.json()["message"]


def test_calls_are_found_by_test_and_time(calls: CallLog, control: Client) -> None:
    """Calls are found by test and by time. One without a complete test header is logged without a test."""
    calls.add(SUBJECT.format(test="a"), "GetObject", 200, "ci-runner", 10.0)
    calls.add("odd", "PutObject", 403, "", 20.0)
    [call] = control.get("calls?test=run:1:a").json()
    assert (call["channel"], call["phase"], call["operation"], call["status"]) == ("subject", "call", "GetObject", 200)
    assert [call["operation"] for call in control.get("calls?since=10.5").json()] == ["PutObject"]
    assert len(control.get("calls").json()) == 2
    assert control.get("calls?test=run:1:b").json() == []


def test_memory_is_bounded_and_since_stays_right(calls: CallLog) -> None:
    """The oldest calls leave memory one by one. Calls since an earlier time are read from the file."""
    for number in range(5):
        calls.add(SUBJECT.format(test="ab"[number % 2]), f"op{number}", 200, "", float(number))
    assert [call.operation for call in calls.of_test("run:1:a")] == ["op2", "op4"]
    assert [call.operation for call in calls.of_test("run:1:b")] == ["op3"]
    assert [call.operation for call in calls.since(0)] == ["op0", "op1", "op2", "op3", "op4"]
    assert [call.operation for call in calls.since(1)] == ["op1", "op2", "op3", "op4"]
    assert [call.operation for call in calls.since(3)] == ["op3", "op4"]


def test_a_test_whose_calls_are_all_gone_is_forgotten(calls: CallLog) -> None:
    """A test leaves memory with the last of its calls."""
    for name in "abbb":
        calls.add(SUBJECT.format(test=name), "op", 200, "", 0.0)
    assert calls.of_test("run:1:a") == []
    assert "run:1:a" not in calls._by_test


def test_a_long_file_makes_room(tmp_path: Path) -> None:
    """At a start a log file above its limit is renamed to log.old.jsonl, which is kept once."""
    path = tmp_path / "log.jsonl"
    CallLog(path).add("", "old", 200, "", 0.0)
    CallLog(path, kept_bytes=10).add("", "new", 200, "", 0.0)
    assert json.loads(path.read_text())["operation"] == "new"
    assert json.loads((tmp_path / "log.old.jsonl").read_text())["operation"] == "old"
