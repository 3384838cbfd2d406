"""quilt3's own state: the library keeps one signed-in user per process, in files of its home."""

from __future__ import annotations

import threading
import time
from typing import Any
from typing import Final

import quilt3

from nightproof.quilt.records import Credentials

_SWITCH: Final = threading.RLock()
_SIGNED_IN: Final[list[tuple[str, str]]] = []


def sign_in(catalog_url: str, keys: dict[str, str]) -> Any:
    """Give the library with the holder of issued keys signed in."""
    mark = (catalog_url, keys["AccessKeyId"])
    with _SWITCH:
        if [mark] != _SIGNED_IN:
            quilt3.config(catalog_url)
            stored = {
                "access_key": keys["AccessKeyId"],
                "secret_key": keys["SecretAccessKey"],
                "token": keys["SessionToken"],
                "expiry_time": keys["Expiration"],
            }
            quilt3.session._save_credentials(stored)  # noqa: SLF001 - login_with_token would rotate the user's token
            _SIGNED_IN[:] = [mark]
    return quilt3


def stored_session(catalog_url: str | None) -> Credentials | None:
    """Give the session that `quilt3 login` left in this home for the catalog, or nothing."""
    stored = quilt3.session._load_auth()  # noqa: SLF001 - quilt3 has no public reader
    if not catalog_url or not stored:
        return None
    found = next(iter(stored.values()))
    if float(found.get("expires_at", 0)) > time.time():
        return Credentials(access_token=found["access_token"])
    return Credentials(refresh_token=found["refresh_token"])
