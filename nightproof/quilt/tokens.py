"""The newest tokens of a sign-in, kept in one file that every process of a target shares.

A registry answers each exchange with a new refresh token and lets the old one end a minute later. Whoever exchanges
the same token by himself and keeps the answer to himself signs all others out. So one at a time exchanges, under a
lock between processes, writes down what came before using it, and the others read it.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Final

from filelock import FileLock
from pydantic import ValidationError

from nightproof.quilt import exceptions as errors
from nightproof.quilt.answers import Tokens
from nightproof.quilt.records import Credentials

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Exchange = Callable[[str], Tokens]

REFRESH_MARGIN_S: Final = 60
API_KEY: Final = "qk_"


def credentials_of(secret: str, folder: Path | str | None) -> Credentials:
    """Return how to sign in by a configured secret: an API key as it is, a refresh token shared in a folder."""
    if secret.startswith(API_KEY):
        return Credentials(access_token=secret)
    return Credentials(refresh_token=secret, token_dir=str(folder) if folder else None)


@dataclass(frozen=True, slots=True)
class TokenFile:
    """The file of one configured refresh token; another token, another file."""

    folder: Path
    given: str

    @property
    def path(self) -> Path:
        """Where the newest tokens are; the name tells nothing of the token."""
        return self.folder / f"{hashlib.sha256(self.given.encode()).hexdigest()[:32]}.json"

    def current(self, exchange: Exchange) -> Tokens:
        """Return tokens that still count, exchanged only when nobody did it before."""
        with self._alone():
            kept = self._kept()
            if kept is not None and kept.expires_at >= time.time() + REFRESH_MARGIN_S:
                return kept
            return self._exchanged(exchange, kept)[1]

    def renewed(self, exchange: Exchange) -> Tokens:
        """Return tokens of an exchange of this moment, which shows that the refresh token counts."""
        with self._alone():
            return self._exchanged(exchange, self._kept())[1]

    def branch(self, exchange: Exchange) -> str:
        """Return a refresh token of one's own, while the shared one goes on to count.

        Both come of one token: it counts for a while after its exchange, and gives another new one then.
        """
        with self._alone():
            spent, _ = self._exchanged(exchange, self._kept())
            return exchange(spent).refresh_token

    def known(self) -> tuple[str, ...]:
        """Return the secrets that the file holds."""
        kept = self._kept()
        return (kept.refresh_token, kept.access_token) if kept else ()

    def _alone(self) -> FileLock:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return FileLock(self.path.with_suffix(".lock"), mode=0o600, thread_local=False)

    def _exchanged(self, exchange: Exchange, kept: Tokens | None) -> tuple[str, Tokens]:
        """Exchange the newest token, or the configured one where the file holds one that nobody knows any more."""
        spent = kept.refresh_token if kept else self.given
        try:
            fresh = exchange(spent)
        except errors.AuthenticationError:
            if spent == self.given:
                raise
            spent, fresh = self.given, exchange(self.given)
        self._keep(fresh)
        return spent, fresh

    def _kept(self) -> Tokens | None:
        try:
            return Tokens.model_validate_json(self.path.read_bytes())
        except (FileNotFoundError, ValidationError):  # a damaged file is no reason to stay out: the token is configured
            return None

    def _keep(self, tokens: Tokens) -> None:
        """Write in one step, readable by its owner only, and on the disk before anybody relies on it."""
        fresh = self.path.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(tokens.model_dump(), file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
