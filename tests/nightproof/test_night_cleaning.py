"""The context of a cleanup: writable storage, and an admin if the target offers one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any

import pytest

from nightproof.night import clean_context
from nightproof.profile import Profile

if TYPE_CHECKING:
    from nightproof.target import Target


def test_a_cleanup_of_the_embedded_target_has_an_admin(embedded: Target) -> None:
    """A cleanup of the embedded target has an admin, who sees every user of the catalog."""
    context = clean_context(embedded)
    assert context is not None
    assert context.catalog is not None
    assert {"user/test-admin", "user/test-user"} <= context.catalog.present()


@pytest.mark.parametrize(
    ("needs", "names"),
    [(["write"], {}), (["write", "admin"], {"admin": "nobody-we-have-a-token-of"})],
)
def test_where_no_admin_is_offered_a_cleanup_has_none(
    embedded: Target, needs: list[str], names: dict[str, Any]
) -> None:
    """Without the need `admin` or an admin's token a cleanup has no admin."""
    endpoints = {"catalog": embedded.catalog_url, "aws": embedded.aws_url}
    profile = Profile.model_validate({"target": "live", "needs": needs, "endpoints": endpoints, "names": names})
    context = clean_context(replace(embedded, profile=profile))
    assert context is not None
    assert context.catalog is None
