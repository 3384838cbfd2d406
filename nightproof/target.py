"""The target of a night: the embedded testbed as a child process, or live systems by configuration.

Both provide addresses, the keys for seeding and cleanup, and the secret values that must never be written.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from dataclasses import field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import boto3
import httpx
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from nightproof.config.places import make_state_dir
from nightproof.errors import Blocked
from nightproof.errors import UsageError
from nightproof.evidence.private import private_file
from nightproof.evidence.private import private_folder
from nightproof.lifeline import is_alive
from nightproof.quilt.catalog import Catalog
from nightproof.quilt.exceptions import QuiltOpsError
from nightproof.quilt.records import Credentials
from nightproof.quilt.records import Timeouts
from nightproof.quilt.tokens import TokenFile
from nightproof.quilt.tokens import credentials_of
from nightproof.waiting import await_value

if TYPE_CHECKING:
    from collections.abc import Callable

    from types_boto3_s3 import S3Client

    from nightproof.profile import Profile
    from nightproof.profile import Secrets

ROOT: Final = Path(__file__).parent.parent
START_DEADLINE_S: Final = 90.0
STOP_GRACE_S: Final = 15.0
EXIT_USAGE: Final = 3
SIGN_IN_S: Final = 15
PASSED_ON: Final = (
    "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_CA_BUNDLE", "SSL_CERT_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)  # fmt: skip
AMBIENT_SECRETS: Final = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PREFECT_API_AUTH_STRING")
S3_CONFIG: Final = Config(
    retries={"mode": "standard", "max_attempts": 8}, signature_version="s3v4", max_pool_connections=32
)


@dataclass(slots=True)
class Target:
    """The systems that a night runs against; `facts` is the testbed's own description, empty on a live target."""

    profile: Profile
    secrets: Secrets
    state_dir: Path
    facts: dict[str, Any] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    lifeline: int | None = None
    _config: dict[str, Any] | None = None
    _lent: dict[str, str] | None = None
    _once: threading.RLock = field(default_factory=threading.RLock)  # checks ask from several threads at once

    @property
    def catalog_url(self) -> str:
        """The catalog's URL, empty if the profile has none."""
        return str(self.facts["services"]["catalog"]["url"]) if self.facts else self.profile.endpoints.catalog

    @property
    def aws_url(self) -> str:
        """The AWS endpoint, empty for real AWS."""
        return str(self.facts["services"]["aws"]["url"]) if self.facts else self.profile.endpoints.aws

    @property
    def registry_url(self) -> str:
        """The registry's URL from the catalog's configuration; empty if the catalog does not state it."""
        return str(self.catalog_config().get("registryUrl", "")).rstrip("/")

    @property
    def jwt_secret(self) -> str:
        """The signing secret. The environment's comes first, so that the preflight check detects a wrong one."""
        given = self.secrets.jwt_secret
        if given is not None:
            return given.get_secret_value()
        return str(self.facts.get("jwt_secret", ""))

    @property
    def versions(self) -> dict[str, str]:
        """The builds under test, as the testbed or the catalog states them."""
        stated = {str(name): str(version) for name, version in self.facts.get("versions", {}).items()}
        stack = self.catalog_config().get("stackVersion")
        return stated | ({"catalog": str(stack)} if stack else {})

    def refresh_token(self, user: str) -> str:
        """Return a user's refresh token by the user's name in the profile, or "" if there is none."""
        if self.facts:
            return str(self.facts["refresh_tokens"].get(user, ""))
        names, secrets = self.profile.names, self.secrets
        by_user = {
            names.user: secrets.refresh_token,
            names.admin: secrets.admin_refresh_token,
            names.readonly: secrets.readonly_refresh_token,
        }
        secret = by_user.get(user)
        return secret.get_secret_value() if secret else ""

    @property
    def token_dir(self) -> Path:
        """The directory in which all processes share the newest tokens."""
        return self.state_dir / "tokens"

    def credentials(self, user: str) -> Credentials | None:
        """Return a user's credentials, which sign nobody else out, or None without a token."""
        token = self.refresh_token(user)
        return credentials_of(token, self.token_dir) if token else None

    def access_token(self, user: str, *, anew: bool = False) -> str:
        """Return a user's access token; `anew` exchanges the refresh token now. Raise QuiltOpsError if refused."""
        credentials = self.credentials(user)
        catalog = Catalog("platform", credentials, Timeouts(read_s=SIGN_IN_S))
        catalog.registry_url = self.registry_url
        if anew and credentials is not None and credentials.refresh_token:
            shared = TokenFile(self.token_dir, credentials.refresh_token)
            return shared.renewed(partial(catalog.exchange, "sign_in")).access_token
        return catalog.token("sign_in")

    def catalog_config(self) -> dict[str, Any]:
        """Return the catalog's config.json, read once; empty if there is no catalog or its answer is not JSON."""
        with self._once:
            if not self._config and self.catalog_url:
                try:
                    answer = httpx.get(f"{self.catalog_url}/config.json", timeout=10)
                    self._config = dict(answer.json()) if answer.status_code == httpx.codes.OK else None
                except (httpx.HTTPError, ValueError):
                    self._config = None
            return self._config or {}

    def aws_client(self, service: str, identity: str, region: str = "") -> Any:
        """Return a client of one service as `ci-runner` or `ci-seeder`; live targets use the caller's keys for both."""
        keys = self.aws_keys(identity)
        session: Any = boto3.session.Session()  # the stubs know service names only as literals
        return session.client(
            service,
            endpoint_url=self.aws_url or None,
            region_name=region or self.profile.names.region,
            aws_access_key_id=keys.get("AWS_ACCESS_KEY_ID"),
            aws_secret_access_key=keys.get("AWS_SECRET_ACCESS_KEY"),
            aws_session_token=keys.get("AWS_SESSION_TOKEN"),
            config=S3_CONFIG,
        )

    def aws_keys(self, identity: str) -> dict[str, str]:
        """Return AWS keys by variable: the testbed's, or those that the catalog lends to a caller without keys.

        Empty on a live target whose caller has keys: the AWS libraries find them in their usual places.
        """
        if self.facts:
            pair = self.facts["credentials"][identity]
            return {"AWS_ACCESS_KEY_ID": pair["access_key_id"], "AWS_SECRET_ACCESS_KEY": pair["secret_access_key"]}
        with self._once:
            if self._lent is None:
                user = self.profile.names.user
                self._lent = {} if not self.refresh_token(user) or _has_own_keys() else self._lend(user)
            return self._lent

    def _lend(self, user: str) -> dict[str, str]:
        """Request keys of a user's role from the catalog; empty if it lends none, and the checks report what fails."""
        try:
            bearer = {"Authorization": f"Bearer {self.access_token(user)}"}
            answer = httpx.get(f"{self.registry_url}/api/auth/get_credentials", headers=bearer, timeout=SIGN_IN_S)
            lent = answer.json()
            names = {"AWS_ACCESS_KEY_ID": "AccessKeyId", "AWS_SECRET_ACCESS_KEY": "SecretAccessKey"}
            return {ours: str(lent[name]) for ours, name in (names | {"AWS_SESSION_TOKEN": "SessionToken"}).items()}
        except (QuiltOpsError, httpx.HTTPError, ValueError, KeyError, TypeError):
            return {}

    def seeder_s3(self) -> S3Client:
        """Return an S3 client with the keys for seeding and cleanup."""
        client: S3Client = self.aws_client("s3", "ci-seeder")
        return client

    def secret_values(self) -> tuple[str, ...]:
        """Return every value that the redactor must mask."""
        keys = [str(pair["secret_access_key"]) for pair in self.facts.get("credentials", {}).values()]
        lent = (
            [] if self.facts else [v for name, v in self.aws_keys("ci-runner").items() if name != "AWS_ACCESS_KEY_ID"]
        )
        tokens = [str(token) for token in self.facts.get("refresh_tokens", {}).values()]
        users = (self.profile.names.user, self.profile.names.admin, self.profile.names.readonly)
        given = {token for user in users if (token := self.refresh_token(user))}
        tokens += [secret for token in given for secret in TokenFile(self.token_dir, token).known()]
        own = [str(self.facts.get(name, "")) for name in ("control_token", "jwt_secret")]
        ambient = [
            os.environ.get(name, "")
            for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PREFECT_API_AUTH_STRING")
        ]
        return tuple(value for value in (*self.secrets.values(), *keys, *lent, *tokens, *own, *ambient) if value)

    def deaths(self) -> tuple[str, ...]:
        """Return the testbed's systems whose process has died. If their supervisor dies, they end within seconds."""
        services = self.facts.get("services", {})
        dead = {name for name, service in services.items() if not is_alive(int(service["pid"]))}
        if self.process is not None and self.process.poll() is not None:
            dead.add("testbed")
        return tuple(sorted(dead))

    def stop(self) -> None:
        """Stop the testbed: SIGTERM, wait, SIGKILL; then close its lifeline, which ends its children."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(STOP_GRACE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None
        if self.lifeline is not None:
            os.close(self.lifeline)
            self.lifeline = None


def _has_own_keys() -> bool:
    """Return whether boto3 finds AWS keys of the caller; a broken setup, as an unknown AWS_PROFILE, counts as yes."""
    try:
        return boto3.session.Session().get_credentials() is not None
    except BotoCoreError:
        return True


def open_target(profile: Profile, secrets: Secrets, progress: Callable[[str], None] = lambda _line: None) -> Target:
    """Start the testbed and wait until it serves, or point at the live systems; raise Blocked or UsageError."""
    state_dir = profile.state_dir.absolute()
    make_state_dir(state_dir)
    target = Target(profile, secrets, state_dir)
    if profile.target == "embedded":
        _start_testbed(target, progress)
    return target


def _start_testbed(target: Target, progress: Callable[[str], None]) -> None:
    folder = target.state_dir / "testbed"
    private_folder(folder)
    ready = folder / "testbed.json"
    log = folder / "testbed.log"
    reader, target.lifeline = os.pipe()
    try:
        with private_file(log).open("ab") as output:  # a testbed that runs here already may be writing to it
            target.process = subprocess.Popen(
                _command(target.profile, folder),
                cwd=ROOT,
                env=os.environ | {"NIGHTPROOF_LIFELINE_FD": str(reader)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(reader,),
                start_new_session=True,
            )
    finally:
        os.close(reader)
    progress("waiting for the testbed")
    try:
        target.facts = await_value(lambda: _description(target, ready, log), START_DEADLINE_S)
    except TimeoutError as error:
        target.stop()
        raise Blocked(
            f"The testbed did not serve within {START_DEADLINE_S:.0f} s: {_tail(log)} Read `{log}`."
        ) from error
    except BaseException:
        # A signal while waiting must not leave the testbed running.
        target.stop()
        raise


def _command(profile: Profile, folder: Path) -> list[str]:
    ports = [
        "--aws-port", str(profile.testbed_aws_port), "--catalog-port", str(profile.testbed_catalog_port),
    ]  # fmt: skip
    return [sys.executable, "-m", "testbed", "--state-dir", str(folder), *ports]


def _description(target: Target, ready: Path, log: Path) -> dict[str, Any] | None:
    """Return testbed.json once the started process has written it, else None; raise if the process has ended."""
    code = target.process.poll() if target.process else None
    if code == EXIT_USAGE:
        raise UsageError(_tail(log))
    if code is not None:
        raise Blocked(f"The testbed ended while starting, exit {code}: {_tail(log)} Read `{log}`.")
    found: dict[str, Any] = json.loads(ready.read_bytes()) if ready.is_file() else {}
    return found if target.process and found.get("pid") == target.process.pid else None


def _tail(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it wrote nothing."
