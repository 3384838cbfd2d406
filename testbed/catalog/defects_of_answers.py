"""Defects of sign-in, configuration, and whole responses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from starlette.responses import JSONResponse

from testbed.faults.crossing import Crossing

if TYPE_CHECKING:
    from collections.abc import Callable

ADMIN: Final = {"name": "test-admin", "email": "admin@test.com", "isAdmin": True}
CROSSING: Final = Crossing()
STACK: Final = "Traceback (most recent call last): File resolvers.py, line 1, in resolve"


def _unsigned(checks: Any, _: Any) -> Any:
    return checks | {"verify_signature": False, "verify_exp": checks.get("verify_exp", True)}


def _late(kinds: frozenset[str], seconds: float) -> Callable[[float, Any], float]:
    def change(delay: float, facts: Any) -> float:
        return delay + float(facts["parameters"].get("seconds", seconds)) if kinds & facts["labels"] else delay

    return change


READS: Final = frozenset({"read", "search"})
CONSTRUCTS: Final = frozenset({"construct"})

DEFECTS: Final[dict[str, tuple[str, str, Callable[[Any, Any], Any]]]] = {
    "catalog-accepts-expired-jwt": (
        "token checks",
        "`exp` of access tokens is not checked",
        lambda checks, _: checks | {"verify_exp": False},
    ),
    "catalog-skips-jwt-signature": ("token checks", "signature and algorithm of tokens are not checked", _unsigned),
    "catalog-ignores-revocation": ("is revoked", "revoked tokens pass", lambda _revoked, _: False),
    "inactive-user-keeps-access": ("is active", "whether a user is active is not checked", lambda _active, _: True),
    "admin-flag-not-enforced": (
        "caller",
        "admin fields are open to all",
        lambda caller, _: replace(caller, administers=True),
    ),
    "role-permissions-ignored": (
        "caller",
        "bucket permissions of roles are not checked",
        lambda caller, facts: replace(caller, rights=facts["rights_of"]("admin")),
    ),
    "credentials-for-wrong-role": (
        "rights of keys",
        "get_credentials issues admin's keys",
        lambda _rights, facts: facts["rights_of"]("admin"),
    ),
    "token-refresh-not-rotated": (
        "fresh token",
        "an exchange gives back the refresh token it was given",
        lambda _fresh, facts: facts["given"],
    ),
    "catalog-me-returns-wrong-user": ("me", "`me` is always test-admin", lambda me, _: me | ADMIN),
    "config-drops-analytics-bucket": (
        "configuration",
        "config.json lacks analyticsBucket",
        lambda config, _: {key: value for key, value in config.items() if key != "analyticsBucket"},
    ),
    "catalog-invalid-query-as-500": ("invalid document", "an invalid document is answered 500", lambda _status, _: 500),
    "catalog-500-as-200-null": (
        "crash",
        "a crash is answered 200 with data null",
        lambda _answer, _: (200, {"data": None}),
    ),
    "catalog-answers-null": (
        "every answer",
        "whatever is asked, nothing is done and the answer is 200 with data null",
        lambda _answer, _: JSONResponse({"data": None}),
    ),
    "catalog-error-text-leaks-stack": ("message", "messages hold a stack", lambda text, _: f"{text} {STACK}"),
    "catalog-mixes-concurrent-answers": (
        "answer",
        "the answer of one request goes to another of its kind that is in flight",
        lambda answer, facts: CROSSING.swap(facts["operation"], answer),
    ),
    "catalog-serialises-requests": (
        "turn",
        "every request waits until the one before it is answered, latency included",
        lambda _turn, facts: facts["lock"],
    ),
    "catalog-construct-fast-500": (
        "status",
        "packageConstruct is answered 500 at once",
        lambda status, facts: 500 if CONSTRUCTS & facts["labels"] else status,
    ),
    "catalog-read-latency-8s": ("delay", "reads and search take 8 s more", _late(READS, 8)),
    "catalog-read-latency-35s": ("delay", "reads and search take 35 s more", _late(READS, 35)),
    "catalog-construct-latency-35s": ("delay", "packageConstruct takes 35 s more", _late(CONSTRUCTS, 35)),
    "catalog-construct-latency-90s": ("delay", "packageConstruct takes 90 s more", _late(CONSTRUCTS, 90)),
    "catalog-construct-latency-150s": ("delay", "packageConstruct takes 150 s more", _late(CONSTRUCTS, 150)),
}
