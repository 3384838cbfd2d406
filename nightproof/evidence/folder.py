"""The evidence folder of a test that did not pass: its exchanges and how to run it again."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from urllib.parse import urlsplit

from nightproof.evidence import rerun
from nightproof.evidence.eventlog import printable
from nightproof.evidence.exchange import described
from nightproof.evidence.private import private_file
from nightproof.evidence.private import private_folder
from nightproof.evidence.relay.client import given_environment
from nightproof.evidence.state import hex16
from nightproof.redact import MASK
from nightproof.redact import Redactor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nightproof.evidence.state import TestState

SECRET_HEADERS: Final = frozenset(
    {"authorization", "proxy-authorization", "cookie", "set-cookie", "x-amz-security-token", "x-api-key"}
)
BAD_STATUS: Final = 400
NAMED_SECRETS: Final = "NIGHTPROOF_SECRETS"  # the variables that a profile gives to a suite as secrets
SECRET_NAMES: Final = re.compile(r"(?i)token|secret|password|access_key|api_?key|credential")
SECRET_FIELDS: Final = re.compile(
    r"""(?i)(?P<keep>["'<&?]?[\w-]*(?:token|secret|password|signature|secretaccesskey)[\w-]*["']?\s*[:=>]\s*["']?)"""
    r"""[^"'&<\s,}]+"""
)


def environment_redactor() -> Redactor:
    """Return a redactor for every secret in this environment, found by its name or by the profile's list."""
    named = os.environ.get(NAMED_SECRETS, "").split(",")
    return Redactor(value for name, value in os.environ.items() if name in named or SECRET_NAMES.search(name))


@dataclass(frozen=True)
class FailedAttempt:
    """An attempt that needs explaining; `arguments` run it again in `folder`."""

    state: TestState
    backend: str
    pass_number: int
    arguments: Sequence[str]
    folder: str
    execution: int = 1


def leave(root: Path, attempt: FailedAttempt, redactor: Redactor) -> Path:
    """Write the folder of one attempt and return it; each further attempt adds a file of its own exchanges."""
    folder = root / f"{hex16(attempt.state.id)}-{attempt.backend}"
    private_folder(folder)
    again = f".{attempt.execution}" if attempt.execution > 1 else ""
    label = f"{attempt.pass_number}{again}"
    name = "exchanges.json" if label == "1" else f"exchanges.{label}.json"
    pairs = [redacted(dict(described(exchange)), redactor) for exchange in list(attempt.state.log)]
    private_file(folder / name).write_text(json.dumps(pairs, indent=1) + "\n", encoding="utf-8")
    is_secret = partial(_is_secret, redactor)
    shown = [redactor.text(argument) for argument in attempt.arguments]  # a test's id may hold a secret
    text = rerun.script(shown, attempt.folder, given_environment(), is_secret)
    private_file(folder / "rerun.txt").write_text(printable(text), encoding="utf-8")
    return folder


def _is_secret(redactor: Redactor, name: str, value: str) -> bool:
    named = os.environ.get(NAMED_SECRETS, "").split(",")
    return name in named or bool(SECRET_NAMES.search(name)) or redactor.text(value) != value


def failed_exchange(state: TestState) -> str:
    """Return a test's last subject exchange in words if it was rejected or unanswered, else an empty text."""
    last = next((one for one in reversed(list(state.log)) if one.channel == "subject"), None)
    if last is None or (last.status is not None and last.status < BAD_STATUS):
        return ""
    end = f"answered {last.status}" if last.status is not None else f"got no answer: {last.error.partition(':')[0]}"
    return f"{last.method} {urlsplit(last.url).path or '/'} {end}"


def redacted(exchange: dict[str, Any], redactor: Redactor) -> dict[str, Any]:
    """Mask credentials in an exchange: by header, by field name, by shape and by value."""
    for side in ("request", "response"):
        part = exchange[side]
        part["headers"] = [[name, MASK if name.lower() in SECRET_HEADERS else value] for name, value in part["headers"]]
        part["body"] = SECRET_FIELDS.sub(rf"\g<keep>{MASK}", part["body"])
    url = exchange["request"]["url"]
    exchange["request"]["url"] = SECRET_FIELDS.sub(rf"\g<keep>{MASK}", url)
    masked: dict[str, Any] = redactor.data(exchange)
    return masked
