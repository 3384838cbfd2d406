"""Checks of the Quilt catalog: its configuration, sign-in, and matching signer and verifier of tokens."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import httpx
import jwt

from nightproof.provisioning.finding import CheckFailed
from nightproof.quilt.exceptions import AuthenticationError
from nightproof.quilt.exceptions import QuiltOpsError

if TYPE_CHECKING:
    from nightproof.profile import Check
    from nightproof.target import Target

TIMEOUT_S: Final = 15
ME: Final = {"query": "{ me { name } }"}
CONFIG_KEYS: Final = ("registryUrl", "region", "mode")


def configuration(target: Target, _check: Check) -> str:
    """Check that the catalog answers with a configuration that names its registry."""
    if not target.catalog_url:
        raise CheckFailed("the profile names no catalog", "Set [endpoints] catalog in the profile.")
    url = f"{target.catalog_url}/config.json"
    answer = httpx.get(url, timeout=TIMEOUT_S)
    remedy = "Point [endpoints] catalog at the address that people open in a browser."
    if answer.status_code != httpx.codes.OK:
        raise CheckFailed(f"{url} answers {answer.status_code}", remedy, transient=answer.is_server_error)
    config = _object(answer)
    if not config:
        raise CheckFailed(f"{url} is not JSON with keys in it", remedy)
    missing = [key for key in CONFIG_KEYS if not config.get(key)]
    if missing:
        raise CheckFailed(f"{url} lacks {', '.join(missing)}", remedy)
    return f"registry {config['registryUrl']}, stack {config.get('stackVersion', 'unknown')}"


def jwt_preflight(target: Target, _check: Check) -> str:
    """Sign in as the test user; with `mint_jwt`, the same claims signed by us must be accepted too."""
    user = target.profile.names.user
    token = _access_token(target, user)
    name = _who_is(target, token)
    if name != user:
        raise CheckFailed(
            f"the refresh token signs in as `{name}`, not `{user}`", "Correct [names] user in the profile."
        )
    if "mint_jwt" not in target.profile.offers:
        return f"signed in as {user}; tokens are not minted here"
    _require_same_secret(target, token, user)
    return f"signed in as {user}; signer and verifier agree"


def _access_token(target: Target, user: str) -> str:
    if not target.refresh_token(user):
        raise CheckFailed(f"there is no refresh token of `{user}`", "Set NIGHTPROOF_REFRESH_TOKEN.")
    if not target.registry_url:
        detail = f"the configuration of the catalog `{target.catalog_url}` names no registry"
        raise CheckFailed(detail, "Set [endpoints] catalog in the profile to a catalog that answers /config.json.")
    try:
        return target.access_token(user, anew=True)
    except AuthenticationError as error:
        detail = f"{target.registry_url} refuses the refresh token of `{user}`"
        remedy = "Get a new refresh token from the catalog's code page and set NIGHTPROOF_REFRESH_TOKEN."
        raise CheckFailed(detail, remedy) from error
    except QuiltOpsError as error:
        cause = error.context.get("original_exception")
        detail = f"{target.registry_url} gives no token for the refresh token of `{user}`: {cause}"
        raise CheckFailed(detail, "Start the registry, then run again.", transient=True) from error


def _who_is(target: Target, token: str) -> str:
    answer = _ask_me(target, token)
    if answer.status_code != httpx.codes.OK:
        detail = f"the catalog does not accept the token that it issued: {answer.status_code}"
        raise CheckFailed(detail, "Check the catalog's clock and its signing secret.", transient=answer.is_server_error)
    return str(((_object(answer).get("data") or {}).get("me") or {}).get("name", "nobody"))


def _require_same_secret(target: Target, token: str, user: str) -> None:
    remedy = "Set the catalog's, or drop the need `mint_jwt`."
    if not target.jwt_secret:
        raise CheckFailed("the need `mint_jwt` is declared and NIGHTPROOF_JWT_SECRET is not set", remedy)
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.DecodeError as error:
        raise CheckFailed(
            f"the access token of `{user}` is no JWT, so none can be minted like it", "Drop the need `mint_jwt`."
        ) from error
    minted = jwt.encode(claims, target.jwt_secret, algorithm="HS256")
    status = _ask_me(target, minted).status_code
    if status != httpx.codes.OK:
        source = "NIGHTPROOF_JWT_SECRET" if target.secrets.jwt_secret else "the testbed's jwt_secret"
        mark = hashlib.sha256(target.jwt_secret.encode()).hexdigest()[:8]
        raise CheckFailed(f"{source} (SHA-256 {mark}) is not the catalog's signing secret: {status}", remedy)


def _ask_me(target: Target, token: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.post(f"{target.registry_url}/graphql", json=ME, headers=headers, timeout=TIMEOUT_S)


def _object(answer: httpx.Response) -> dict[str, Any]:
    """Return the answer's JSON object, or an empty one if it is something else."""
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
