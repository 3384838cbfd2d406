"""The newest tokens of a sign-in, in one file that every process of a target shares.

A registry answers each exchange with a new refresh token and invalidates the old one a minute later. A process that
exchanged a shared token and kept the answer would sign all others out. So one process at a time exchanges, under a file
lock. It writes the new tokens down before it uses them, and the other processes read them from the file.
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
    """Return the credentials of a configured secret: an API key as it is, a refresh token with its shared folder."""
    if secret.startswith(API_KEY):
        return Credentials(access_token=secret)
    return Credentials(refresh_token=secret, token_dir=str(folder) if folder else None)


@dataclass(frozen=True, slots=True)
class TokenFile:
    """The token file of one configured refresh token; each configured token has its own file."""

    folder: Path
    given: str

    @property
    def path(self) -> Path:
        """Return the path of the newest tokens; its name is a hash that does not reveal the token."""
        return self.folder / f"{hashlib.sha256(self.given.encode()).hexdigest()[:32]}.json"

    def current(self, exchange: Exchange) -> Tokens:
        """Return the shared tokens, exchanged only if there are none or they expire within 60 seconds."""
        with self._alone():
            kept = self._kept()
            if kept is not None and kept.expires_at >= time.time() + REFRESH_MARGIN_S:
                return kept
            return self._exchanged(exchange, kept)[1]

    def renewed(self, exchange: Exchange) -> Tokens:
        """Return tokens from a new exchange, which proves that the refresh token is valid."""
        with self._alone():
            return self._exchanged(exchange, self._kept())[1]

    def branch(self, exchange: Exchange) -> str:
        """Return a refresh token for the caller alone; the shared one stays valid.

        Both come from one token: it stays valid for a while after its exchange, and a second exchange returns another
        one.
        """
        with self._alone():
            spent, _ = self._exchanged(exchange, self._kept())
            return exchange(spent).refresh_token

    def known(self) -> tuple[str, ...]:
        """Return the refresh and access token in the file, or an empty tuple if it holds none."""
        kept = self._kept()
        return (kept.refresh_token, kept.access_token) if kept else ()

    def _alone(self) -> FileLock:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return FileLock(self.path.with_suffix(".lock"), mode=0o600, thread_local=False)

    def _exchanged(self, exchange: Exchange, kept: Tokens | None) -> tuple[str, Tokens]:
        """Exchange the newest token, or the configured one if the registry no longer accepts the newest.

        Return the token that was exchanged, and the new tokens. Raise AuthenticationError if the configured one is
        rejected.
        """
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
        except (FileNotFoundError, ValidationError):  # a damaged file must not bar sign-in: the configured token stays
            return None

    def _keep(self, tokens: Tokens) -> None:
        """Replace the file in one step, readable by its owner only, and synced to disk before anybody relies on it."""
        fresh = self.path.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(tokens.model_dump(), file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
