"""The list of allowed differences: each entry is true."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from urllib.parse import parse_qs
from urllib.parse import urlsplit

import pytest

from nightproof import quilt
from nightproof.quilt.differences import DIFFERENCES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.nightproof.quilt.rubbish import Rubbish

REGISTRY: Final = "s3://quilt-mcp-test-work"


def said(subject: str, backend: str) -> str:
    """Return what the list says of a backend."""
    (found,) = [difference for difference in DIFFERENCES if difference.subject == subject]
    text: str = getattr(found, backend)
    return text


def test_every_difference_is_named_once() -> None:
    """Every difference is listed once, differs, and has a reason in a sentence."""
    assert len({difference.subject for difference in DIFFERENCES}) == len(DIFFERENCES)
    assert all(difference.quilt3 != difference.platform for difference in DIFFERENCES)
    assert all(difference.reason.endswith(".") for difference in DIFFERENCES)


def test_a_catalog_has_a_name_on_one_backend(ops: quilt.QuiltOps, backend: str) -> None:
    """A catalog has a name on exactly the backend that the list states."""
    name = ops.get_auth_status().catalog_name
    assert (name is None) == (said("Auth_Status.catalog_name", backend) == "is None")


def test_errors_say_who_they_come_from(ops: quilt.QuiltOps, backend: str, on_rubbish: Any, rubbish: Rubbish) -> None:
    """An error names its backend, and a refused sign-in its method, as the list states."""
    with pytest.raises(quilt.PermissionError) as refused:
        ops.admin.list_roles()
    rubbish.spoil("graphql", b"{}", 401)
    with pytest.raises(quilt.AuthenticationError) as caught:
        on_rubbish(backend).admin.list_roles()
    values = (refused.value.context["backend_type"], caught.value.context["auth_method"])
    assert [f'"{value}"' in said("error context", backend) for value in values] == [True, True]


def test_keys_are_fetched_first_on_one_backend(
    on_rubbish: Callable[..., quilt.QuiltOps], rubbish: Rubbish, backend: str
) -> None:
    """AWS keys are fetched before an admin operation on exactly the backend that the list states."""
    rubbish.spoil("graphql", b'{"data": {"roles": []}}')
    rubbish.asked.clear()
    assert on_rubbish(backend).admin.list_roles() == []
    assert ("keys" in rubbish.asked) == said("sign-in", backend).endswith("admin operations included")


def test_one_backend_signs_with_the_users_keys(ops: quilt.QuiltOps, tree: str, backend: str) -> None:
    """A content URL carries the user's session token on exactly the backend that the list states."""
    url = ops.get_content_url(tree, REGISTRY, "empty.txt")
    has_session = "X-Amz-Security-Token" in parse_qs(urlsplit(url).query)
    assert has_session == said("get_content_url", backend).endswith("which ends with them at the latest")
