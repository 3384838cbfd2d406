"""A whole night over a suite that spills secrets in every way it can: none of them is in any file, nor on stdout."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from nightproof.night import open_night
from nightproof.plan import Choice
from nightproof.records import Colour
from tests.nightproof.foreign import RUN_ID
from tests.nightproof.foreign import whole_night

if TYPE_CHECKING:
    from pathlib import Path

    from tests.nightproof.foreign import Foreign

REGISTERED = {
    "NIGHTPROOF_REFRESH_TOKEN": "planted+refresh/token=of.tonight'7",
    "NIGHTPROOF_JWT_SECRET": "planted-signing-secret-0123456789",
    "NIGHTPROOF_SLACK_WEBHOOK": "https://hooks.slack.com/services/T0PLANT/B0PLANT/q7PLANTEDq7",
}
PIN = "quiet-9173-quiet"  # of the suite itself, under a name that says nothing
BODY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDPlantedPlant"
MINTED = {
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJpZCI6InBsYW50ZWQifQ.c2lnbmF0dXJlLXBsYW50ZWQ",
    "slack": "xoxb-1234567890-plantedplanted",
    "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG/bPxRfiPLANTEDSECRE",
    "url": "http://joe:hunter2planted@127.0.0.1:1/x",
    "password": "hunter2planted",
    "pem": f"-----BEGIN RSA PRIVATE KEY-----\n{BODY}\n{BODY[::-1]}\nq2PlantedShort==\n-----END RSA PRIVATE KEY-----",
}
NEEDLES = [
    *REGISTERED.values(),
    PIN,
    "q2PlantedShort",
    "c2lnbmF0dXJlLXBsYW50ZWQ",
    "plantedplanted",
    MINTED["SecretAccessKey"],
    "hunter2planted",
    BODY,
]
LEAKY = """
import json, logging, os, pathlib, subprocess, sys
import pytest, requests
from nightproof.evidence import observe
URL, TOKEN, KEY = (os.environ[name] for name in
    ("NIGHTPROOF_URL_SHOP", "QUILT_TEST_REFRESH_TOKEN", "QUILT_TEST_JWT_SECRET"))
MINTED = json.loads((pathlib.Path(__file__).parent / "minted.json").read_text())
AWS = {"SecretAccessKey": MINTED["SecretAccessKey"], "AccessKeyId": "AKIAPLANTED"}
BASIC = requests.auth.HTTPBasicAuth("joe", MINTED["password"])
SHOWN = "\\n".join([os.environ["SHOP_PIN"], TOKEN, KEY, MINTED["jwt"], MINTED["slack"], MINTED["url"], MINTED["pem"],
    json.dumps(AWS), repr(AWS), "export AWS_SECRET_ACCESS_KEY=" + MINTED["SecretAccessKey"],
    "Authorization: Basic " + "cGxhbnRlZA=="])
@pytest.fixture
def spilling():
    print("setup", SHOWN)
    yield
    raise RuntimeError("teardown " + SHOWN)
def test_output(capfd):
    print(SHOWN)
    print(SHOWN, file=sys.stderr)
    subprocess.run([sys.executable, "-c", "import sys; print(sys.argv[1])", SHOWN], check=True)
    with capfd.disabled():
        print(SHOWN)
    logging.getLogger("shop").error("logged %s", SHOWN)
    assert requests.get(URL).status_code == 404
def test_message(spilling, record_property):
    record_property("all", SHOWN)
    assert MINTED == {}, SHOWN
def test_exception():
    raise RuntimeError(SHOWN) from ValueError(MINTED["pem"])
def test_wire():
    session = requests.Session()
    session.get(URL, params={"k": KEY, "j": MINTED["jwt"]}, headers={"X-Shop": KEY, "Cookie": TOKEN})
    session.post(URL, data={"who": TOKEN, "key": MINTED["pem"]}, headers={"Authorization": "Bearer " + MINTED["jwt"]})
    assert session.post(URL, json=AWS | {"text": SHOWN}, auth=BASIC).status_code == 404
    requests.get(MINTED["url"])
def test_passes(ledger):
    observe("answer", SHOWN)
    ledger.intent("object", {"bucket": "b", "key": "np-20abcdef/x"})
    print(SHOWN)
    assert requests.get(URL, params={"k": KEY}).ok
"""
PARTS = ["events.jsonl", "events.2.jsonl", "output.log", "exchanges.json", "ledger.jsonl", "report.json"]
PARTS += ["report.html", "report.md", "junit.xml", "slack.json"]
NAMES = ("test_output", "test_message", "test_exception", "test_wire", "test_passes")


def spelled(secret: str) -> tuple[bytes, ...]:
    """Return the spellings in which a secret could stand in a file."""
    forms = {
        secret,
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
        secret.replace("'", "\\'"),
        quote(secret, safe=""),
        quote(secret),
    }
    return tuple(form.encode() for form in (*forms, base64.b64encode(secret.encode()).decode()))


@pytest.fixture
def spilled(foreign: Foreign, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> tuple[Path, str]:
    """Run the night; give its state directory and what it printed."""
    for name, value in REGISTERED.items():
        monkeypatch.setenv(name, value)
    secret_url = foreign.url.replace("://", "://joe:hunter2planted@")
    check = f'[[checks]]\nkind = "http"\nurl = "{secret_url}"'
    foreign.write(LEAKY, *NAMES, more=f'needs = ["mint_jwt"]\n{check}\n[endpoints]\ncatalog = "{foreign.url}"')
    monkeypatch.setenv("SHOP_PIN", PIN)
    with foreign.profile_path.open("a") as profile:
        profile.write('secrets = ["SHOP_PIN"]\n')
    (foreign.suite / "minted.json").write_text(json.dumps(MINTED))
    night = open_night(str(foreign.profile_path), Choice(), RUN_ID)
    report = whole_night(night)
    out, err = capfd.readouterr()
    assert report.colour is Colour.RED
    return foreign.state, out + err


def test_no_secret_is_in_any_file_of_a_night_nor_on_its_output(spilled: tuple[Path, str]) -> None:
    """Every file below the state directory and all output is searched in every spelling, file names included."""
    state, output = spilled
    files = {str(path.relative_to(state)): path.read_bytes() for path in state.rglob("*") if path.is_file()}
    files |= {"stdout": output.encode(), "names": "\n".join(files).encode()}
    run = [name for name in files if RUN_ID in name]
    for part in PARTS:
        assert any(name.endswith(part) for name in run), f"{part} is missing in {run}"
    found = [
        (name, secret) for name, data in files.items() for secret in NEEDLES if any(s in data for s in spelled(secret))
    ]
    assert found == []
