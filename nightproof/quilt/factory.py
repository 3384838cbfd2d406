"""Construction of a backend by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nightproof.quilt.validation import Rules

if TYPE_CHECKING:
    from nightproof.quilt.contract import QuiltOps
    from nightproof.quilt.records import Credentials
    from nightproof.quilt.records import Timeouts


def create_quilt_ops(
    backend: str,
    *,
    catalog_url: str | None,
    registry: str | None,
    credentials: Credentials | None,
    timeouts: Timeouts | None = None,
) -> QuiltOps:
    """Return a `quilt3` or `platform` instance; raise ValidationError for any other name.

    Raise AuthenticationError, without sending a request, if there is nothing to sign in with.
    """
    # Imported on demand: quilt3 fixes its folders at import, and the platform backend must do without it.
    if backend == "quilt3":
        from nightproof.quilt.quilt3_backend import Quilt3Ops  # noqa: PLC0415 - see above

        return Quilt3Ops(catalog_url=catalog_url, registry=registry, credentials=credentials, timeouts=timeouts)
    if backend == "platform":
        from nightproof.quilt.platform_backend import PlatformOps  # noqa: PLC0415 - see above

        return PlatformOps(catalog_url=catalog_url, registry=registry, credentials=credentials, timeouts=timeouts)
    return Rules("platform", "create_quilt_ops").refuse("backend", backend, "`quilt3` or `platform`")
