"""Errors: their class, every key of their context, and a message that a person can use."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from nightproof import quilt
from nightproof.evidence import case
from suites._support import provoked
from suites._support.tokens import claims_of
from suites._support.tokens import sign

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Sequence

    from suites._support.control import CallLog
    from suites._support.control import Faults
    from suites._support.observer import Observer
    from suites._support.people import People
    from suites._support.seeds import Seeds
    from suites._support.settings import Settings
    from suites._support.tables import Tables
    from suites._support.work import Work

JOURNEY = "understand-errors"
# The operation by which each backend searches: a REST route, or a GraphQL operation.
SEARCH = {"quilt3": "/registry/api/search", "platform": "SearchPackages"}
LONGEST_MESSAGE = 300
# A person should not have to read a stack trace, a data structure, a class name or an absent value.
TECHNICAL = re.compile(r"Traceback|[{}]|\b[A-Z][A-Za-z]*(Error|Exception|Warning)\b|\bNone\b|\bnull\b")


def caught_of(asked: provoked.Provoked, kind: type[quilt.QuiltOpsError], backend: str) -> quilt.QuiltOpsError:
    """Check class and context of a call's error, and return the error."""
    with pytest.raises(kind) as caught:
        asked.act()
    assert caught.type is kind
    fixed = {"backend_type": backend, "operation": asked.operation} | asked.context
    free = caught.value.context.keys() - fixed.keys()
    assert caught.value.context == fixed | {key: caught.value.context[key] for key in free}
    return caught.value


@case(tier="critical", category="errors", needs=("mint_jwt", "fault", "admin"), journey=JOURNEY)
def test_authentication_error_context(
    make_ops: Callable[..., quilt.QuiltOps], target: Settings, fault: Faults, backend: str
) -> None:
    """Every kind of operation rejects a revoked token in the same way, and each error names its operation."""
    token = sign(claims_of(target.user, lives_s=3600), target.jwt_secret())
    ops = make_ops({"access_token": token})
    assert ops.get_auth_status().user_name == target.user
    fault.set("catalog", "revoke-token", token=token)
    for asked in provoked.unauthenticated(ops, backend, target.registry):
        error = caught_of(asked, quilt.AuthenticationError, backend)
        assert error.context.keys() == {"backend_type", "operation", "auth_method", "remediation", "reason"}
        assert "token" in error.context["remediation"]


@case(tier="critical", category="errors", needs=("mint_jwt", "fault", "admin", "write"), journey=JOURNEY)
def test_backend_error_context(target: Settings, people: People, seeds: Seeds, fault: Faults, backend: str) -> None:
    """The error of a failing or overloaded catalog contains its HTTP status, and the client works again afterwards."""
    user = people.create("unlucky").name
    ops = people.sign_in(user)
    for status in (500, 503):
        fault.set("catalog", "error", operation=SEARCH[backend], user=user, status=status)
        asked = provoked.failing(ops, target.registry, status)
        error = caught_of(asked, quilt.BackendError, backend)
        assert error.context.keys() == {
            "backend_type", "operation", "kind", "http_status", "elapsed_s", "original_exception",
        }  # fmt: skip
        assert type(error.context["original_exception"]) is str
        assert error.context["elapsed_s"] > 0
        fault.reset()
    found = [hit.name for hit in ops.search_packages("csv", target.registry)]
    expected = set(seeds.manifest["search"]["csv"])
    assert target.ours(found, expected) == seeds.newest_first(expected)


@case(tier="high", category="errors", needs=("call_log",), journey=JOURNEY)
def test_validation_error_context(
    quilt_ops: quilt.QuiltOps, target: Settings, seeds: Seeds, call_log: CallLog, backend: str
) -> None:
    """An invalid argument is rejected with field, value and rule before any request is sent."""
    found = quilt_ops.get_package_info(provoked.SIMPLE, target.registry)
    assert found.top_hash == seeds.top_hash(provoked.SIMPLE)
    before = call_log.calls()
    table = provoked.invalid(quilt_ops, target.registry)
    assert len(table) == 10
    for asked in table:
        error = caught_of(asked, quilt.ValidationError, backend)
        assert error.context.keys() - {"index"} == {
            "backend_type", "operation", "field_name", "field_value", "validation_rule",
        }  # fmt: skip
        assert error.context["validation_rule"] != ""
        assert error.context["operation"] == asked.operation
        assert ("index" in error.context) == ("index" in asked.context)
    assert call_log.calls() == before


@case(tier="high", category="errors", needs=("admin", "write"), journey=JOURNEY)
def test_not_found_error_context(
    quilt_ops: quilt.QuiltOps, admin_ops: quilt.QuiltOps, target: Settings, people: People, backend: str
) -> None:
    """For each of eight resource types, the error for a missing resource contains type, name and location."""
    new_user = people.name("absent")
    table = provoked.absent(quilt_ops, admin_ops, target, new_user)
    for asked in table:
        error = caught_of(asked, quilt.NotFoundError, backend)
        assert error.context.keys() == {
            "backend_type", "operation", "resource_type", "identifier", "search_location",
        }  # fmt: skip
    kinds = [asked.context["resource_type"] for asked in table]
    assert kinds == ["package", "path", "file", "user", "role", "table", "bucket", "catalog"]
    assert new_user not in [user.name for user in admin_ops.admin.list_users()]


@case(tier="critical", category="errors", needs=("admin", "write"), journey=JOURNEY)
def test_permission_error_context(
    quilt_ops: quilt.QuiltOps,
    admin_ops: quilt.QuiltOps,
    as_user: Callable[[str], quilt.QuiltOps],
    target: Settings,
    people: People,
    work: Work,
    observer: Observer,
    backend: str,
) -> None:
    """A permission error names the missing permission, the role and its access level, and nothing is created."""
    new_user, package = people.name("denied"), work.package_name("denied")
    viewer = as_user("readonly")
    for asked in provoked.forbidden(quilt_ops, viewer, target, new_user, package):
        error = caught_of(asked, quilt.PermissionError, backend)
        assert error.context.keys() == {
            "backend_type", "operation", "required_permissions", "user_role", "access_level",
        }  # fmt: skip
    assert new_user not in [user.name for user in admin_ops.admin.list_users()]
    assert observer.registry_state(work.bucket, package) == {}


@case(tier="normal", category="errors", needs=("mint_jwt", "fault", "admin", "write"), journey=JOURNEY)
def test_messages_are_clear(
    quilt_ops: quilt.QuiltOps,
    admin_ops: quilt.QuiltOps,
    as_user: Callable[[str], quilt.QuiltOps],
    make_ops: Callable[..., quilt.QuiltOps],
    target: Settings,
    people: People,
    work: Work,
    tables: Tables,
    fault: Faults,
    backend: str,
) -> None:
    """Each message is a short sentence that names the subject, and technical details stay in the context."""
    user = people.create("unlucky").name
    token = sign(claims_of(user, lives_s=3600), target.jwt_secret())
    revoked, viewer = make_ops({"access_token": token}), as_user("readonly")
    assert revoked.get_auth_status().user_name == user
    new_user, package = people.name("unclear"), work.package_name("unclear")
    check_messages(provoked.invalid(quilt_ops, target.registry))
    check_messages(provoked.absent(quilt_ops, admin_ops, target, new_user))
    check_messages(provoked.forbidden(quilt_ops, viewer, target, new_user, package))
    check_messages([provoked.judged(admin_ops, target, tables.name(target.work, "unclear"))])
    fault.set("catalog", "revoke-token", token=token)
    check_messages(provoked.unauthenticated(revoked, backend, target.registry))
    fault.set("catalog", "error", operation=SEARCH[backend], user=user, status=500)
    check_messages([provoked.failing(people.sign_in(user), target.registry, 500)])


def check_messages(table: Sequence[provoked.Provoked]) -> None:
    """Check that each call fails with a message that a person can read."""
    for asked in table:
        with pytest.raises(quilt.QuiltOpsError) as caught:
            asked.act()
        message = str(caught.value)
        assert message == caught.value.message
        assert message[0].isupper()
        assert len(message) <= LONGEST_MESSAGE
        assert asked.named in message
        assert TECHNICAL.search(message) is None
