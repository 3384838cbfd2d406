"""The decorator that declares, once and beside the test, what a test is about."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from typing import Literal
from typing import TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping

ATTRIBUTE: Final = "__nightproof_case__"
TIERS: Final = ("critical", "high", "normal")
Test = TypeVar("Test", bound="Callable[..., Any] | type")


@dataclass(frozen=True)
class Case:
    """The declaration of a test; the defaults are those of an undecorated test in a foreign suite."""

    tier: str = "normal"
    category: str = "general"
    type: str = "e2e"
    needs: tuple[str, ...] = ()
    wire: str = "subject"
    wire_reason: str = ""
    owner: str = ""
    journey: str = ""
    unsupported: Mapping[str, str] = field(default_factory=dict)
    serial: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError or TypeError for a declaration that no verdict could be based on."""
        if self.tier not in TIERS:
            raise ValueError(f"The tier is `{self.tier}`: give one of {', '.join(TIERS)}.")
        if self.wire not in {"subject", "none"}:
            raise ValueError(f"The wire is `{self.wire}`: give `subject`, or `none` with a wire_reason.")
        if self.wire == "none" and not self.wire_reason:
            raise ValueError('A case with wire="none" lacks its reason: add wire_reason="why nothing is sent".')
        given: object = self.needs
        if isinstance(given, str):  # the commonest slip: a tuple without its comma
            raise TypeError(f'The needs are the text `{self.needs}`: give a tuple, needs=("{self.needs}",).')


def case(
    *,
    tier: Literal["critical", "high", "normal"] = "normal",
    category: str = "general",
    type: str = "e2e",  # noqa: A002 - the catalogue's word
    needs: tuple[str, ...] = (),
    wire: Literal["subject", "none"] = "subject",
    wire_reason: str = "",
    owner: str = "",
    journey: str = "",
    unsupported: Mapping[str, str] | None = None,
    serial: bool = False,
) -> Callable[[Test], Test]:
    """Declare a test; `unsupported` maps a backend to the reason id of suite.toml, `serial` runs it alone and last."""
    declared = Case(
        tier=tier,
        category=category,
        type=type,
        needs=needs,
        wire=wire,
        wire_reason=wire_reason,
        owner=owner,
        journey=journey,
        unsupported=dict(unsupported or {}),
        serial=serial,
    )

    def mark(test: Test) -> Test:
        setattr(test, ATTRIBUTE, declared)
        return test

    return mark


def declared_case(test: object) -> Case:
    """Return the declaration of a test function, or the defaults."""
    found = getattr(test, ATTRIBUTE, None)
    return found if isinstance(found, Case) else Case()
