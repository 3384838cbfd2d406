"""The environment variables of a cell or a shell: addresses, identities and names on the target."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Final

from nightproof.evidence.wire.endpoints import endpoint_of
from nightproof.plan import SEEDS
from nightproof.target import PASSED_ON

if TYPE_CHECKING:
    from nightproof.target import Target

HOME: Final = Path(os.path.expanduser("~"))  # noqa: PTH111 - `Path.home` raises for a user without one
AWS_FILES: Final = {
    "AWS_CONFIG_FILE": HOME / ".aws" / "config",
    "AWS_SHARED_CREDENTIALS_FILE": HOME / ".aws" / "credentials",
}
REAL_AWS: Final = ("*.amazonaws.com", "*.amazonaws.com.cn", "*.api.aws")

# quilt3 sends a request per object. At 200 ms each, its default of ten at once takes minutes for thousands of objects.
QUILT3: Final = {
    "QUILT_DISABLE_USAGE_METRICS": "1",
    "QUILT_MINIMIZE_STDOUT": "true",
    "QUILT_TRANSFER_MAX_CONCURRENCY": "64",
}


def cell_environment(target: Target) -> dict[str, str]:
    """Return every variable that a suite needs to reach its target; empty values are left out."""
    profile = target.profile
    parts = _aws(target) | _catalog(target) | _names(target) | _control(target)
    parts |= {
        "NIGHTPROOF_TARGET": profile.target,
        "NIGHTPROOF_NEEDS": ",".join(profile.offers),
        "NIGHTPROOF_TIME_FACTOR": str(profile.time_factor),
        "NIGHTPROOF_SEEDS": str(SEEDS),
        "NIGHTPROOF_PLACEMENT": str(target.state_dir / "placement.json"),
    }
    parts |= profile.endpoints.variables
    return {name: value for name, value in parts.items() if value}


def endpoints(target: Target) -> tuple[str, ...]:
    """Return the endpoints whose answers count as evidence; empty if the profile declares none."""
    profile = target.profile
    services = [str(service["url"]) for service in target.facts.get("services", {}).values()]
    urls = [target.catalog_url, target.aws_url, *profile.endpoints.urls.values(), *services]
    registry = target.registry_url if target.catalog_url else ""
    aws = REAL_AWS if profile.has_buckets and not target.aws_url else ()
    return tuple(dict.fromkeys((*(endpoint_of(url) for url in (*urls, registry) if url), *aws)))


def seeder_environment(target: Target) -> dict[str, str]:
    """Return the variables of the seeder's quilt3 process: AWS with the seeder's keys."""
    return _aws(target, "ci-seeder") | QUILT3


def _aws(target: Target, identity: str = "ci-runner") -> dict[str, str]:
    keys = target.aws_keys(identity)
    region = target.profile.names.region
    own = keys | {"AWS_EC2_METADATA_DISABLED": "true"}
    # A cell has its own HOME, so the AWS configuration files are passed as absolute paths.
    passed_on = {name: str(path) for name, path in AWS_FILES.items() if path.is_file()}
    passed_on |= {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {"AWS_DEFAULT_REGION": region, "AWS_REGION": region, "AWS_ENDPOINT_URL": target.aws_url} | (
        own if keys else passed_on
    )


def _catalog(target: Target) -> dict[str, str]:
    if not target.catalog_url:
        return {}
    names = target.profile.names
    registry = target.registry_url
    return QUILT3 | {
        "QUILT_TEST_CATALOG_URL": target.catalog_url,
        "QUILT_TEST_GRAPHQL_ENDPOINT": f"{registry}/graphql" if registry else "",
        "QUILT_TEST_REFRESH_TOKEN": target.refresh_token(names.user),
        "QUILT_TEST_ADMIN_REFRESH_TOKEN": target.refresh_token(names.admin),
        "QUILT_TEST_READONLY_REFRESH_TOKEN": target.refresh_token(names.readonly),
        "NIGHTPROOF_TOKENS": str(target.token_dir),
        "QUILT_TEST_JWT_SECRET": target.jwt_secret if "mint_jwt" in target.profile.offers else "",
    }


def _names(target: Target) -> dict[str, str]:
    names = target.profile.names
    buckets = {
        f"QUILT_TEST_BUCKET_{short}": getattr(names, f"bucket_{short.lower()}")
        for short in ("DATA", "SCRATCH", "PACKAGES", "WORK", "PERF", "PRIVATE", "WEST")
    }
    return buckets | {
        "QUILT_TEST_REGISTRY_URL": f"s3://{names.bucket_packages}",
        "QUILT_TEST_WORK_REGISTRY_URL": f"s3://{names.bucket_work}",
        "QUILT_TEST_USER": names.user,
        "QUILT_TEST_USER_EMAIL": names.user_email,
        "QUILT_TEST_ADMIN_USER": names.admin,
        "QUILT_TEST_ADMIN_EMAIL": names.admin_email,
        "QUILT_TEST_GLUE_DATABASE": names.glue_database,
        "ATHENA_WORKGROUP": names.athena_workgroup,
    }


def _control(target: Target) -> dict[str, str]:
    services = target.facts.get("services", {})
    urls = " ".join(f"{name}={service['url']}" for name, service in sorted(services.items()))
    return {"NIGHTPROOF_CONTROL_URLS": urls, "NIGHTPROOF_CONTROL_TOKEN": str(target.facts.get("control_token", ""))}
