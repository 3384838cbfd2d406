"""Reading of a night's secrets from the environment and from the `.env` beside the profile."""

from __future__ import annotations

import io
import os
import re
from typing import TYPE_CHECKING

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import SecretStr

from nightproof.config.files import read_text
from nightproof.errors import UsageError
from nightproof.profile import Secrets
from nightproof.redact import SHORTEST

if TYPE_CHECKING:
    from pathlib import Path

    from nightproof.profile import Profile


def load_secrets(
    profile_path: Path | None = None, profile: Profile | None = None, *, for_tests: bool = True
) -> Secrets:
    """Read the secrets; raise UsageError for an unreadable file, and for a secret too short to be masked.

    The environment wins over the `.env` beside the profile. `for_tests` requires the secrets that the profile's suites
    list.
    """
    env_file = profile_path.parent / ".env" if profile_path else None
    beside = _read_env(env_file) if env_file and os.path.lexists(env_file) else {}
    secrets = Secrets(_env_file=env_file if beside else None)
    for suite in profile.suite if profile else ():
        for name in suite.secrets:
            value = os.environ.get(name) or beside.get(name)
            if value:
                secrets._of_suites[name] = SecretStr(value)  # noqa: SLF001 - this function is their constructor
            elif for_tests:
                raise UsageError(
                    f"The suite `{suite.path}` needs the secret `{name}`, which is not set: "
                    f"export it, or write it into `{env_file}`."
                )
    _require_usable(secrets)
    return secrets


def _read_env(path: Path) -> dict[str, str | None]:
    """Read a `.env`; raise UsageError with the number of an invalid line, never its text."""
    text = read_text(path, "The file of secrets")
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            raise UsageError(
                f"The file of secrets `{path}` has no `NAME=value` in line {binding.original.line}: mend that line."
            )
    return dotenv_values(stream=io.StringIO(text))


def _require_usable(secrets: Secrets) -> None:
    """Raise UsageError, by name, for a secret that cannot be masked, or that no header or environment can carry."""
    for name, value in secrets.named().items():
        if len(value) < SHORTEST:
            raise UsageError(
                f"The secret `{name}` has {len(value)} characters and cannot be masked without masking ordinary words: "
                f"give it at least {SHORTEST}, or take it out of the secrets."
            )
        if "\0" in value:
            raise UsageError(f"The secret `{name}` holds a NUL character, which no environment can carry: correct it.")
        if name.startswith("NIGHTPROOF_SLACK_") and not re.fullmatch(r"[!-~]+", value):
            raise UsageError(
                f"The secret `{name}` holds a blank, a line break or a letter outside of ASCII, which no request can "
                "carry: copy it again."
            )
