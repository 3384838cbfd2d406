"""A shared sign-in: tokens are exchanged one at a time, the newest is kept, and no user is signed out."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import httpx
import pytest

from nightproof import quilt
from nightproof.quilt.answers import Tokens
from nightproof.quilt.tokens import TokenFile
from nightproof.quilt.tokens import credentials_of
from nightproof.waiting import await_value

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.nightproof.quilt.conftest import World

GRACE_S: Final = 1
MARGIN_S: Final = 60
CHILD: Final = """
import json, sys, time
from nightproof.quilt import Credentials, create_quilt_ops
given = json.loads(sys.argv[1])
known = {"catalog_url": given["url"], "registry": None, "credentials": Credentials(**given["credentials"])}
until = time.monotonic() + given["seconds"]
while time.monotonic() < until:
    assert create_quilt_ops(given["backend"], **known).get_auth_status().user_name == given["user"]
"""


class Registry:
    """A registry that accepts each refresh token once, as after the grace period."""

    def __init__(self, life_s: float = 3600) -> None:
        self.counts = {"configured"}
        self.exchanged: list[str] = []
        self._life_s = life_s
        self._lock = threading.Lock()

    def exchange(self, token: str) -> Tokens:
        """Return new tokens for a valid refresh token; raise AuthenticationError for any other."""
        with self._lock:
            if token not in self.counts:
                raise quilt.AuthenticationError("The token does not count.", {})
            self.exchanged.append(token)
            self.counts = {f"fresh-{len(self.exchanged)}"}
            ends = time.time() + self._life_s
            return Tokens(refresh_token=next(iter(self.counts)), access_token=f"access-{token}", expires_at=ends)


def test_who_comes_later_takes_what_was_exchanged(tmp_path: Path) -> None:
    """Threads and instances with the same folder exchange once and all get the same token."""
    registry, found = Registry(), list[str]()

    def sign_in() -> None:
        found.append(TokenFile(tmp_path, "configured").current(registry.exchange).access_token)

    threads = [threading.Thread(target=sign_in) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (registry.exchanged, set(found)) == (["configured"], {"access-configured"})


def test_the_newest_token_is_exchanged_next(tmp_path: Path) -> None:
    """An expiring access token is renewed with the newest refresh token, and so is a forced renewal."""
    registry = Registry(life_s=MARGIN_S - 1)
    for _ in range(2):
        TokenFile(tmp_path, "configured").current(registry.exchange)
    TokenFile(tmp_path, "configured").renewed(registry.exchange)
    assert registry.exchanged == ["configured", "fresh-1", "fresh-2"]


def test_tokens_are_for_their_owner_only(tmp_path: Path) -> None:
    """Files and locks have mode 0600 in a folder of mode 0700, and no file name contains a token."""
    folder = tmp_path / "tokens"
    TokenFile(folder, "configured").current(Registry().exchange)
    assert folder.stat().st_mode & 0o777 == 0o700
    modes = {path.suffix: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes == {".json": 0o600, ".lock": 0o600}
    assert not [path for path in folder.iterdir() if "configured" in path.name]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"refresh_token": 1}', '{"refresh_token": "of another life"}'])
def test_what_the_file_lost_the_configured_token_gives(tmp_path: Path, text: str) -> None:
    """After a damaged or foreign file, the configured token is exchanged and the sign-in works."""
    registry, shared = Registry(), TokenFile(tmp_path, "configured")
    lost = {"access_token": "x", "expires_at": 0.0}
    shared.path.write_text(text if not text.endswith('life"}') else json.dumps(json.loads(text) | lost))
    assert shared.current(registry.exchange).access_token == "access-configured"
    assert TokenFile(tmp_path, "configured").known() == ("fresh-1", "access-configured")


def test_a_refused_exchange_keeps_what_is_known(tmp_path: Path) -> None:
    """If no known token is valid, the registry's error is raised and the file is unchanged."""
    registry, shared = Registry(), TokenFile(tmp_path, "configured")
    shared.renewed(registry.exchange)
    registry.counts = set()
    with pytest.raises(quilt.AuthenticationError):
        shared.renewed(registry.exchange)
    assert shared.known() == ("fresh-1", "access-configured")


def test_an_api_key_is_no_refresh_token(tmp_path: Path) -> None:
    """An API key is used as an access token; nothing is exchanged or stored."""
    assert credentials_of("qk_abc", tmp_path) == quilt.Credentials(access_token="qk_abc")
    shared = quilt.Credentials(refresh_token="opaque", token_dir=str(tmp_path))
    assert credentials_of("opaque", tmp_path) == shared
    assert credentials_of("opaque", None) == quilt.Credentials(refresh_token="opaque")


@pytest.fixture
def rotating(
    world: World, governors: dict[str, quilt.QuiltOps], unique: Callable[[], str], fault: Any, tmp_path: Path
) -> tuple[str, quilt.Credentials]:
    """Create a user whose tokens rotate within seconds; return its name and its credentials."""
    user = governors["platform"].admin.create_user(unique(), "rotating@example.org", "user").name
    fault("rotation-grace", user=user, seconds=GRACE_S)
    fault("token-life", user=user, seconds=MARGIN_S + GRACE_S)
    url = f"{world.target.catalog_url}/_nightproof/refresh-token"
    headers = {"Authorization": f"Bearer {world.target.facts['control_token']}"}
    token = httpx.post(url, params={"user": user}, headers=headers, timeout=10).json()["refresh_token"]
    return user, credentials_of(token, tmp_path / "tokens")


def test_processes_of_both_backends_stay_signed_in(
    world: World, rotating: tuple[str, quilt.Credentials], tmp_path: Path
) -> None:
    """Four processes with separate homes stay signed in over many rotations, and a later one can sign in."""
    user, credentials = rotating
    processes = [
        start(world, user, credentials, backend, tmp_path / f"{backend}-{number}")
        for backend in ("quilt3", "platform")
        for number in range(2)
    ]
    assert [(process.communicate(timeout=120)[1], process.returncode) for process in processes] == [("", 0)] * 4
    assert await_value(lambda: is_refused(world, str(credentials.refresh_token)), 10)
    later = world.make("platform", credentials=credentials)
    assert later.get_auth_status().user_name == user


def start(world: World, user: str, credentials: quilt.Credentials, backend: str, home: Path) -> subprocess.Popen[str]:
    """Start a process that signs in repeatedly."""
    home.mkdir()
    known = {name: value for name, value in asdict(credentials).items() if name in ("refresh_token", "token_dir")}
    given = {"url": world.target.catalog_url, "credentials": known, "seconds": 4 * GRACE_S}
    given |= {"backend": backend, "user": user}
    keys = world.target.facts["credentials"]["ci-runner"]
    env = {
        "HOME": str(home), "XDG_DATA_HOME": str(home), "AWS_ENDPOINT_URL": world.target.aws_url,
        "AWS_ACCESS_KEY_ID": keys["access_key_id"], "AWS_SECRET_ACCESS_KEY": keys["secret_access_key"],
        "AWS_DEFAULT_REGION": "us-east-1", "QUILT_DISABLE_USAGE_METRICS": "1",
    }  # fmt: skip
    command = [sys.executable, "-W", "ignore", "-c", CHILD, json.dumps(given)]
    return subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)


def is_refused(world: World, token: str) -> bool:
    """Return whether the catalog refuses a refresh token."""
    url = f"{world.target.registry_url}/api/token"
    return httpx.post(url, data={"refresh_token": token}, timeout=10).status_code == httpx.codes.UNAUTHORIZED
