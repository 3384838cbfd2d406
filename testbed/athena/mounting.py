"""Replace ministack's Athena by ours, behind ministack's checks of signature and permissions."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from typing import Final

from ministack import app as ministack
from ministack.core.iam_evaluator import ResolvedCredential
from ministack.core.iam_evaluator import resolve_credential
from ministack.core.router import extract_access_key_id
from ministack.core.router import extract_region

from testbed.athena.account import Keys
from testbed.athena.account import Surroundings
from testbed.athena.api import Athena
from testbed.athena.catalogs import held
from testbed.athena.defects import Defects
from testbed.athena.executions import Executions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from testbed.faults.control import Faults

CATALOG_USER: Final = "catalog-service"


def mount_athena(url: str, state: Path, faults: Faults) -> None:
    """Install our Athena; it reads S3 and Glue at `url` with the credentials of each caller."""
    handlers = ministack.SERVICE_HANDLERS
    surroundings = Surroundings(url, partial(held, state), Defects(faults).bend)
    handlers["athena"] = Athena(handlers["athena"], Executions(surroundings), keys_of).handle


def keys_of(headers: Mapping[str, str]) -> Keys:
    """Return the credentials of a caller; ministack has already checked the signature made with them."""
    found = resolve_credential(extract_access_key_id(headers))
    region, is_lent = extract_region(headers), bool(found.session_token) and _is_lent(found)
    token, user = found.session_token or "", found.principal_arn.rpartition("/")[2]
    return Keys(found.access_key_id, found.secret_access_key, token, region, is_lent, user)


def _is_lent(found: ResolvedCredential) -> bool:
    """Return whether the catalog service assumed the role of these credentials.

    Credentials of a role that anyone else assumed count as the caller's own.
    """
    source = resolve_credential(found.source_access_key_id or "")
    return isinstance(source, ResolvedCredential) and source.principal_name == CATALOG_USER
