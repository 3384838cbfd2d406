"""Profiles: one TOML file sets a night's systems, suites and gates.

A profile holds no secrets: `Secrets` reads them from the environment or from the `.env` beside it.
`nightproof.config` reads both.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Annotated
from typing import Final
from typing import Literal
from typing import Self

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import PrivateAttr
from pydantic import SecretStr
from pydantic import field_validator
from pydantic import model_validator
from pydantic_settings import BaseSettings
from pydantic_settings import SettingsConfigDict

from nightproof.config import grammar
from nightproof.evidence.wire.endpoints import check_endpoints
from nightproof.runner.world import World

if TYPE_CHECKING:
    from collections.abc import Iterable

Need = Literal[
    "write", "admin", "exact_inventory", "call_log", "fault", "mint_jwt", "mailbox", "athena", "db_readback",
    "chaos", "oidc_stub", "short_ttl",
]  # fmt: skip
ALL_NEEDS: Final[tuple[Need, ...]] = Need.__args__  # type: ignore[attr-defined]  # typing.Literal keeps its values here
PROFILES: Final = Path(__file__).parent.parent / "deployments" / "profiles"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Endpoints(_Section):
    """The systems' addresses; the embedded target fills these from the testbed."""

    catalog: grammar.WebAddress = ""
    aws: grammar.WebAddress = Field(default="", description="AWS endpoint URL; empty means real AWS")
    urls: dict[grammar.Name, grammar.Address] = Field(
        default_factory=dict, description="other URLs, by name, given to suites as NIGHTPROOF_URL_<NAME>"
    )

    @property
    def variables(self) -> dict[str, str]:
        """The other URLs as environment variables of the suites."""
        return {_variable_of(name): url for name, url in self.urls.items()}

    @model_validator(mode="after")
    def _one_variable_each(self) -> Endpoints:
        owners: dict[str, str] = {}
        for name in self.urls:
            if other := owners.get(_variable_of(name)):
                raise ValueError(f"`{other}` and `{name}` both give `{_variable_of(name)}`: rename one of them")
            owners[_variable_of(name)] = name
        return self


class Names(_Section):
    """Names of buckets, roles, users and databases on the target."""

    region: grammar.Word = "us-east-1"
    bucket_data: grammar.Word = "quilt-mcp-test-data"
    bucket_scratch: grammar.Word = "quilt-mcp-test-scratch"
    bucket_packages: grammar.Word = "quilt-mcp-test-packages"
    bucket_work: grammar.Word = "quilt-mcp-test-work"
    bucket_perf: grammar.Word = "quilt-mcp-test-perf"
    bucket_private: grammar.Word = "quilt-mcp-test-private"
    bucket_west: grammar.Word = "quilt-mcp-test-west"
    user: grammar.Word = "test-user"
    user_email: grammar.Word = "user@test.com"
    admin: grammar.Word = "test-admin"
    admin_email: grammar.Word = "admin@test.com"
    readonly: grammar.Word = "test-readonly"
    service: grammar.Word = "test-service"
    test_role: grammar.Word = "quilt-mcp-test-role"
    glue_database: grammar.Word = "quilt_mcp_test_db"
    athena_workgroup: grammar.Word = "quilt-mcp-test-workgroup"


class Check(_Section):
    """One provisioning check; `kind` chooses it, `url` and `host` are its arguments where it needs one."""

    kind: str
    name: str = ""
    url: grammar.WebAddress = ""
    required: grammar.Flag = True


class Suite(_Section):
    """One suite of the night."""

    path: Path
    _given: str = PrivateAttr(default="")  # how the profile was given, so that a remedy can be pasted
    backends: grammar.Names = Field(default=(), description="empty: all that its suite.toml declares")
    select: grammar.Pattern = Field(default="", description="regular expression on test ids; empty: all")
    timeout_s: grammar.Seconds = 900
    secrets: grammar.Variables = Field(
        default=(), description="names of variables with secrets that this suite's tests read; no other suite sees them"
    )
    python: Path | None = Field(
        default=None, description="the suite's own interpreter, or the folder of its virtual environment; unset: ours"
    )
    env: dict[str, str] = Field(
        default_factory=dict, description="variables that its processes get, as they stand; secrets go into `secrets`"
    )
    pytest_args: tuple[str, ...] = Field(default=(), description="further arguments of its pytest")
    helpers: tuple[str, ...] = Field(
        default=(), description="folders and packages outside its folder whose assertions count"
    )

    hosts: tuple[str, ...] = Field(
        default=(),
        description="`host`, `host:port`, `*.domain` or `unix:/path` of the system beside the endpoints' URLs",
    )
    evidence: Literal["fixture", "call"] = Field(
        default="fixture", description="`call`: a test passes only if its own body was answered, not a fixture alone"
    )
    relay: grammar.Flag | tuple[str, ...] = Field(
        default=False, description="`true`, or endpoints: count by a relay on loopback what leaves Python for them"
    )

    @property
    def given(self) -> str:
        """The profile's name or path as the user gave it; empty if the suite comes from no profile."""
        return self._given

    def named(self, given: str) -> Suite:
        """Return a copy of the suite that remembers how its profile was given."""
        own = self.model_copy()
        own._given = given  # noqa: SLF001 - it is ours
        return own

    @field_validator("hosts")
    @classmethod
    def _are_endpoints(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        check_endpoints(hosts)
        return hosts

    @field_validator("relay", mode="before")
    @classmethod
    def _is_relay(cls, given: object) -> object:
        if not isinstance(given, (bool, list, tuple)) or given in ([], ()):
            raise ValueError("it is neither `true` nor `false` nor a list of endpoints")
        check_endpoints(given if not isinstance(given, bool) else ())
        return given

    @field_validator("env")
    @classmethod
    def _require_plain_variables(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not grammar.VARIABLE.fullmatch(name) or "\0" in text:
                raise ValueError(f"`{name}` is no variable that a process can have")
            if name.startswith("NIGHTPROOF_"):
                raise ValueError(f"`{name}` is one that the run itself sets: give yours another name")
        return value

    @model_validator(mode="after")
    def _require_one_source(self) -> Self:
        if twice := sorted(set(self.env) & set(self.secrets)):
            raise ValueError(f"`{twice[0]}` stands in `env` and in `secrets`: leave it in one of them")
        return self

    @property
    def world(self) -> World:
        """The suite's own part of its processes: interpreter, variables, pytest arguments and helpers."""
        return World(self.python, self.env, self.pytest_args, self.helpers)


class Gates(_Section):
    """Thresholds of the colour table; rates are fractions of the tests that could run."""

    critical: grammar.Rate = 1.0
    high: grammar.Rate = 0.95
    normal: grammar.Rate = 0.90
    flaky: grammar.Rate = 0.01
    quarantine: grammar.Rate = 0.05
    cost_usd: grammar.Money | None = None
    wall_s: grammar.Seconds | None = None


class Slack(_Section):
    """The Slack channel of the message; the token comes from the environment."""

    channel: str = Field(default="", pattern=r"^\S*$")
    base_url: grammar.WebAddress = "https://slack.com/api/"
    mention: grammar.Mention = Field(default="", description="id of the default owner: a user group, or a user")
    budget_s: Annotated[float, Field(gt=0, le=600, strict=True)] = Field(
        default=60, description="seconds that everything about one message may take, waits for rate limits included"
    )


class Profile(_Section):
    """The whole configuration of a night."""

    name: str = ""
    environment: str = Field(default="", description="what the lock protects; defaults to the profile's name")
    target: Literal["embedded", "live"]
    needs: tuple[Need, ...] = Field(default=(), description="what a live target offers; the embedded one has all")
    owner: str = "unowned"
    time_factor: grammar.Factor = 1.0
    state_dir: Path = Path(".nightproof")
    checks: tuple[Check, ...] = ()
    datasets: grammar.Names = ()
    suite: tuple[Suite, ...] = ()
    strict_catalogue: bool = Field(
        default=False, description="end with exit code 3 before any test when a suite has a test that its lock lacks"
    )
    journeys: dict[str, grammar.Money] = Field(
        default_factory=dict, description="monthly recurring revenue by journey, USD"
    )
    endpoints: Endpoints = Endpoints()
    names: Names = Names()
    gates: Gates = Gates()
    slack: Slack = Slack()
    cron: grammar.Cron = "0 2 * * *"
    timezone: grammar.Timezone = "UTC"
    history_url: str = Field(default="", description="SQLAlchemy URL; empty: history.sqlite in the state directory")
    artifact_store: grammar.Store = Field(
        default="", description="directory or s3://bucket/prefix that run directories are copied to"
    )
    report_base_url: grammar.WebAddress = Field(default="", description="URL under which the artifact store is served")
    server_start_s: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=180, description="seconds that the Prefect server may take to start"
    )
    testbed_aws_port: grammar.Port = Field(default=0, description="0: any free port")
    testbed_catalog_port: grammar.Port = Field(default=0, description="0: any free port")

    @model_validator(mode="after")
    def _ports_apart(self) -> Profile:
        if self.testbed_aws_port and self.testbed_aws_port == self.testbed_catalog_port:
            raise ValueError("`testbed_aws_port` and `testbed_catalog_port` are the same port: change one of them")
        return self

    def collecting(self, suite_path: Path) -> dict[str, str]:
        """Return the variables that a suite's modules may read at import: URLs, and placeholders for its secrets."""
        named = {
            name for suite in self.suite if suite.path.absolute() == suite_path.absolute() for name in suite.secrets
        }
        return self.endpoints.variables | dict.fromkeys(sorted(named), "not-given-while-collecting")

    @property
    def has_buckets(self) -> bool:
        """Return whether the target has S3 buckets of ours; a plain URL of a foreign system has none."""
        return bool(self.target == "embedded" or self.endpoints.catalog or self.endpoints.aws or self.datasets)

    @property
    def offers(self) -> tuple[Need, ...]:
        """The needs of tests that this target satisfies."""
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
        """Return the secrets that a suite lists, as environment variables."""
        return {name: self._of_suites[name].get_secret_value() for name in names}

    def values(self) -> tuple[str, ...]:
        """Return every secret that is set, for the redactor."""
        return tuple(self.named().values())

    def named(self) -> dict[str, str]:
        """Return every secret that is set, by the name of its variable."""
        own = {f"NIGHTPROOF_{name.upper()}": value for name, value in self if value is not None}
        return {name: secret.get_secret_value() for name, secret in (own | self._of_suites).items()}


def _variable_of(name: str) -> str:
    return f"NIGHTPROOF_URL_{re.sub(r'[^A-Z0-9]+', '_', name.upper())}"
