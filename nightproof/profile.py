"""Profiles: one TOML file says what a night checks, where, and with which gates.

Secrets never stand in a profile: `Secrets` reads them from the environment or from the `.env` beside it.
An unknown key is an error that names it, suggests the nearest and lists the valid ones.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Annotated
from typing import Any
from typing import Final
from typing import Literal

from dotenv import dotenv_values
from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import PrivateAttr
from pydantic import SecretStr
from pydantic import ValidationError
from pydantic_settings import BaseSettings
from pydantic_settings import SettingsConfigDict

from nightproof.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

Need = Literal[
    "write", "admin", "exact_inventory", "call_log", "fault", "mint_jwt", "mailbox", "athena", "db_readback",
    "chaos", "oidc_stub", "short_ttl",
]  # fmt: skip
ALL_NEEDS: Final[tuple[Need, ...]] = Need.__args__  # type: ignore[attr-defined]  # typing.Literal keeps its values here
PROFILES: Final = Path(__file__).parent.parent / "deployments" / "profiles"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Endpoints(_Section):
    """Where the systems answer; the embedded target fills these from the testbed."""

    catalog: str = ""
    aws: str = Field(default="", description="AWS endpoint URL; empty means real AWS")
    urls: dict[str, str] = Field(
        default_factory=dict, description="other URLs, by name, given to suites as NIGHTPROOF_URL_<NAME>"
    )

    @property
    def variables(self) -> dict[str, str]:
        """The other URLs as suites read them from their environment."""
        return {f"NIGHTPROOF_URL_{re.sub(r'[^A-Z0-9]+', '_', name.upper())}": url for name, url in self.urls.items()}


class Names(_Section):
    """Names of buckets, roles, users and databases on the target."""

    region: str = "us-east-1"
    bucket_data: str = "quilt-mcp-test-data"
    bucket_scratch: str = "quilt-mcp-test-scratch"
    bucket_packages: str = "quilt-mcp-test-packages"
    bucket_work: str = "quilt-mcp-test-work"
    bucket_perf: str = "quilt-mcp-test-perf"
    bucket_private: str = "quilt-mcp-test-private"
    bucket_west: str = "quilt-mcp-test-west"
    user: str = "test-user"
    user_email: str = "user@test.com"
    admin: str = "test-admin"
    admin_email: str = "admin@test.com"
    readonly: str = "test-readonly"
    service: str = "test-service"
    test_role: str = "quilt-mcp-test-role"
    glue_database: str = "quilt_mcp_test_db"
    athena_workgroup: str = "quilt-mcp-test-workgroup"


class Check(_Section):
    """One provisioning check; `kind` chooses it, `url` and `host` are its arguments where it needs one."""

    kind: str
    name: str = ""
    url: str = ""
    required: bool = True


class Suite(_Section):
    """One suite of the night."""

    path: Path
    backends: tuple[str, ...] = Field(default=(), description="empty: all that its suite.toml declares")
    select: str = Field(default="", description="regular expression on test ids; empty: all")
    timeout_s: Annotated[float, Field(gt=0)] = 900
    secrets: tuple[str, ...] = Field(
        default=(), description="names of variables with secrets that this suite's tests read; no other suite sees them"
    )


class Gates(_Section):
    """Thresholds of the colour table; rates are fractions of the tests that could run."""

    critical: Annotated[float, Field(ge=0, le=1)] = 1.0
    high: Annotated[float, Field(ge=0, le=1)] = 0.95
    normal: Annotated[float, Field(ge=0, le=1)] = 0.90
    flaky: Annotated[float, Field(ge=0, le=1)] = 0.01
    quarantine: Annotated[float, Field(ge=0, le=1)] = 0.05
    cost_usd: float | None = None
    wall_s: float | None = None


class Slack(_Section):
    """Where the message goes; the token comes from the environment."""

    channel: str = ""
    base_url: str = "https://slack.com/api/"
    mention: str = Field(default="", description="user group id of the default owner")
    budget_s: Annotated[float, Field(gt=0, le=600)] = Field(
        default=60, description="seconds that everything about one message may take, waits for rate limits included"
    )


class Profile(_Section):
    """A whole night, by configuration."""

    name: str = ""
    environment: str = Field(default="", description="what the lock protects; defaults to the profile's name")
    target: Literal["embedded", "live"]
    needs: tuple[Need, ...] = Field(default=(), description="what a live target offers; the embedded one has all")
    owner: str = "unowned"
    time_factor: Annotated[float, Field(gt=0)] = 1.0
    state_dir: Path = Path(".nightproof")
    checks: tuple[Check, ...] = ()
    datasets: tuple[str, ...] = ()
    suite: tuple[Suite, ...] = ()
    journeys: dict[str, float] = Field(default_factory=dict, description="monthly recurring revenue by journey, USD")
    endpoints: Endpoints = Endpoints()
    names: Names = Names()
    gates: Gates = Gates()
    slack: Slack = Slack()
    cron: str = "0 2 * * *"
    timezone: str = "UTC"
    history_url: str = Field(default="", description="SQLAlchemy URL; empty: history.sqlite in the state directory")
    artifact_store: str = Field(
        default="", description="directory or s3://bucket/prefix that run directories are copied to"
    )
    report_base_url: str = Field(default="", description="URL under which the artifact store is served")
    testbed_aws_port: int = Field(default=0, description="0: any free port")
    testbed_catalog_port: int = Field(default=0, description="0: any free port")

    def collecting(self, suite_path: Path) -> dict[str, str]:
        """Give what the modules of a suite may read at import: URLs, and words in the place of secrets."""
        named = {
            name for suite in self.suite if suite.path.absolute() == suite_path.absolute() for name in suite.secrets
        }
        return self.endpoints.variables | dict.fromkeys(sorted(named), "not-given-while-collecting")

    @property
    def has_buckets(self) -> bool:
        """Whether the target has S3 buckets of ours at all; a shop's URL has none."""
        return bool(self.target == "embedded" or self.endpoints.catalog or self.endpoints.aws or self.datasets)

    @property
    def offers(self) -> tuple[Need, ...]:
        """What tests may rely on here."""
        return ALL_NEEDS if self.target == "embedded" else self.needs


class Secrets(BaseSettings):
    """Every secret of a night, from the environment (prefix NIGHTPROOF_) or the `.env` beside the profile."""

    model_config = SettingsConfigDict(env_prefix="NIGHTPROOF_", extra="ignore", frozen=True)

    jwt_secret: SecretStr | None = Field(default=None, description="signs tokens where `mint_jwt` is declared")
    refresh_token: SecretStr | None = Field(default=None, description="refresh token of the test user")
    admin_refresh_token: SecretStr | None = Field(default=None, description="refresh token of the test admin")
    readonly_refresh_token: SecretStr | None = Field(default=None, description="refresh token of the read-only user")
    slack_token: SecretStr | None = Field(default=None, description="Slack bot token, chat:write")
    slack_webhook: SecretStr | None = Field(default=None, description="webhook for the supervisor's short alerts")
    _of_suites: dict[str, SecretStr] = PrivateAttr(default_factory=dict)

    def of_suite(self, names: Iterable[str]) -> dict[str, str]:
        """Give the secrets that a suite names, as its environment."""
        return {name: self._of_suites[name].get_secret_value() for name in names}

    def values(self) -> tuple[str, ...]:
        """Give every secret that is set, for the redactor."""
        own = [value for _, value in self if value is not None]
        return tuple(secret.get_secret_value() for secret in (*own, *self._of_suites.values()))


def load(name_or_path: str) -> Profile:
    """Read a profile by name (deployments/profiles) or path; raise UsageError with the remedy."""
    path = find(name_or_path)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The profile `{path}` is not valid TOML: {error}. Mend that line.") from error
    return parse(data, path)


def parse(data: dict[str, Any], path: Path) -> Profile:
    """Validate profile data; suite paths and the state directory are relative to where they are used from."""
    try:
        profile = Profile.model_validate(data)
    except ValidationError as error:
        raise UsageError(_sentence(error, path)) from error
    name = profile.name or path.stem
    suites = tuple(suite.model_copy(update={"path": _anchor(suite.path, path)}) for suite in profile.suite)
    return profile.model_copy(update={"name": name, "environment": profile.environment or name, "suite": suites})


def load_secrets(profile_path: Path | None = None, profile: Profile | None = None) -> Secrets:
    """Read the secrets, those that the profile's suites name included; raise UsageError for one that is not set.

    The environment wins over the `.env` beside the profile.
    """
    env_file = profile_path.parent / ".env" if profile_path else None
    secrets = Secrets(_env_file=env_file)
    beside = dotenv_values(env_file) if env_file else {}
    for suite in profile.suite if profile else ():
        for name in suite.secrets:
            value = os.environ.get(name) or beside.get(name)
            if not value:
                raise UsageError(
                    f"The suite `{suite.path}` needs the secret `{name}`, which is not set: "
                    f"export it, or write it into `{env_file}`."
                )
            secrets._of_suites[name] = SecretStr(value)  # noqa: SLF001 - this function is their constructor
    return secrets


def find(name_or_path: str) -> Path:
    """Give the path of a profile by name (deployments/profiles) or path; raise UsageError naming the known ones."""
    candidate = Path(name_or_path)
    named = PROFILES / f"{name_or_path}.toml"
    if candidate.is_file():
        return candidate
    if named.is_file():
        return named
    known = ", ".join(sorted(found.stem for found in PROFILES.glob("*.toml")))
    raise UsageError(f"There is no profile `{name_or_path}`: give one of {known}, or the path of a TOML file.")


def _anchor(suite: Path, profile: Path) -> Path:
    """Take a suite path from the profile's folder when it is there, else from the working directory."""
    beside = profile.parent / suite
    return Path(os.path.normpath(beside)) if beside.exists() else suite


def _sentence(error: ValidationError, path: Path) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return _unknown_key([str(part) for part in first["loc"]], path)
    given = first.get("input")
    return f"The profile `{path}` has a wrong value at `{where}`: {given!r}; {first['msg']}. Correct that key."


def _unknown_key(location: list[str], path: Path) -> str:
    section: Any = Profile
    for part in location[:-1]:
        if not part.isdigit():  # the position in a list of sections
            section = _inner(section.model_fields[part].annotation)
    valid = sorted(section.model_fields)
    near = difflib.get_close_matches(location[-1], valid, n=1)
    hint = f" Did you mean `{near[0]}`?" if near else ""
    where = ".".join(location)
    return f"The profile `{path}` has an unknown key `{where}`.{hint} Valid keys: {', '.join(valid)}."


def _inner(annotation: Any) -> Any:
    """Give the model inside `tuple[Model, ...]`, or the model itself."""
    return getattr(annotation, "__args__", (annotation,))[0]
