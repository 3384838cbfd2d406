"""Put our Athena in the place of ministack's, behind its checks of signature and permissions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ministack import app as ministack
from ministack.core.iam_evaluator import resolve_credential
from ministack.core.router import extract_access_key_id
from ministack.core.router import extract_region

from testbed.athena.account import Keys
from testbed.athena.api import Athena
from testbed.athena.executions import Executions

if TYPE_CHECKING:
    from collections.abc import Mapping


def mount_athena(url: str) -> None:
    """Serve queries from now on; they read S3 and Glue at `url` with the keys of whoever asked."""
    handlers = ministack.SERVICE_HANDLERS
    handlers["athena"] = Athena(handlers["athena"], Executions(url), keys_of).handle


def keys_of(headers: Mapping[str, str]) -> Keys:
    """Give the credentials of a caller whose signature was checked with them before."""
    found = resolve_credential(extract_access_key_id(headers))
    return Keys(found.access_key_id, found.secret_access_key, found.session_token or "", extract_region(headers))
