"""Diagnosis of a profile: the checks that a night needs here, and the tests that it could run."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import TYPE_CHECKING

from nightproof.evidence.suite import load_suite
from nightproof.housekeeping import opened
from nightproof.provisioning import verify
from nightproof.redact import Redactor
from nightproof.report.messenger_checks import check_messengers
from nightproof.verdict.outcomes import unsupported_reason
from nightproof.verdict.sentences import plural

if TYPE_CHECKING:
    from typing import Any

    from nightproof.plan import RunPlan
    from nightproof.profile import Secrets
    from nightproof.records import CheckResult


@dataclass(frozen=True, slots=True)
class Outlook:
    """The tests of one suite that can run on one backend.

    `needs` counts tests per missing need, `by_design` per reason id. `reasons` explains each reason id in a sentence.
    """

    suite: str
    backend: str
    declared: int
    runnable: int
    needs: dict[str, int] = field(default_factory=dict)
    by_design: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The checks' results, the secrets that are set, and the outlook per cell."""

    profile: str
    target: str
    checks: tuple[CheckResult, ...]
    secrets: dict[str, bool]
    outlooks: tuple[Outlook, ...]

    @property
    def is_well(self) -> bool:
        """Return whether every required check passed."""
        return all(check.ok for check in self.checks if check.required)

    def as_data(self) -> dict[str, Any]:
        """Return the diagnosis as JSON data."""
        return asdict(self) | {"is_well": self.is_well}


def diagnose(plan: RunPlan, secrets: Secrets) -> Diagnosis:
    """Run every check once against the systems, and count the tests that each cell could run."""
    with opened(plan.profile, secrets, "doctor") as target:
        redactor = Redactor(target.secret_values())
        checks = [verify(target, check) for check in plan.profile.checks]
    checks += check_messengers(plan.profile.slack, secrets)
    return Diagnosis(
        profile=plan.profile.name,
        target=plan.profile.target,
        checks=tuple(_masked(check, redactor) for check in checks),
        secrets={name: value is not None for name, value in secrets},
        outlooks=outlooks(plan),
    )


def _masked(check: CheckResult, redactor: Redactor) -> CheckResult:
    """Return the check with secrets masked in its detail, which may quote an address or an answer."""
    return replace(check, detail=redactor.text(check.detail))


def outlooks(plan: RunPlan) -> tuple[Outlook, ...]:
    """Return per cell the runnable tests, those that lack a need of the target, and those unsupported by design."""
    offers = plan.profile.offers
    found = []
    for cell in plan.cells:
        reasons = [unsupported_reason(test, cell.backend, offers) for test in cell.tests.values()]
        lacking = Counter(reason.removeprefix("needs ") for reason in reasons if reason.startswith("needs "))
        design = Counter(reason for reason in reasons if reason and not reason.startswith("needs "))
        told = {reason: text for reason, text in load_suite(cell.path).unsupported.items() if reason in design}
        asked = reasons.count("")
        found.append(Outlook(cell.suite, cell.backend, len(reasons), asked, dict(lacking), dict(design), told))
    return tuple(found)


def render(diagnosis: Diagnosis) -> str:
    """Return the diagnosis as lines for a person."""
    lines = [f"{diagnosis.profile} ({diagnosis.target}): {'ready' if diagnosis.is_well else 'not ready'}"]
    for check in diagnosis.checks:
        state = "ok" if check.ok else ("failed" if check.required else "failed, not required")
        lines.append(f"  {check.name}: {state}: {check.detail}")
        if check.remedy:
            lines.append(f"    remedy: {check.remedy}")
    if diagnosis.target == "live":
        missing = [f"NIGHTPROOF_{name.upper()}" for name, is_set in diagnosis.secrets.items() if not is_set]
        lines.append(f"  secrets not set: {', '.join(missing) or 'none'}")
    for suite in dict.fromkeys(outlook.suite for outlook in diagnosis.outlooks):
        lines += _suite_lines(suite, [outlook for outlook in diagnosis.outlooks if outlook.suite == suite])
    return "\n".join(lines)


def _suite_lines(suite: str, outlooks: list[Outlook]) -> list[str]:
    declared, runnable = (sum(getattr(one, name) for one in outlooks) for name in ("declared", "runnable"))
    lines = [f"  {suite}: {runnable} of {declared} tests can run here, {declared - runnable} are unsupported"]
    for one in outlooks:
        lines.append(f"    on {one.backend}: {one.runnable} of {one.declared}")
        lines += [f"      {plural(n, 'test')}: needs {need}" for need, n in sorted(one.needs.items())]
        for reason, n in sorted(one.by_design.items()):
            told = f": {one.reasons[reason]}" if reason in one.reasons else ""
            lines.append(f"      {plural(n, 'test')}: by design, {reason}{told}")
    return lines
