"""Declarations of suites: cases, suite.toml, observations and channels."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from typing import Any

import pytest

from nightproof.errors import UsageError
from nightproof.evidence import Case
from nightproof.evidence import case
from nightproof.evidence import channel
from nightproof.evidence.cases import declared_case
from nightproof.evidence.state import current_channel
from nightproof.evidence.suite import find_suite
from nightproof.evidence.suite import load_suite

if TYPE_CHECKING:
    from pathlib import Path


def test_case_is_kept_on_the_function() -> None:
    """The decorator returns the same function with its declaration."""

    def test() -> None:
        """Do nothing."""

    assert case(tier="high", needs=("write",))(test) is test
    assert declared_case(test) == Case(tier="high", needs=("write",))
    assert declared_case(len) == Case()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"tier": "urgent"}, "`urgent`"),
        ({"wire": "maybe"}, "`maybe`"),
        ({"wire": "none"}, "wire_reason"),
        ({"needs": "write"}, r'needs=\("write",\)'),
    ],
)
def test_undecidable_declaration_is_refused(fields: dict[str, Any], words: str) -> None:
    """A wrong decorator fails at import with the remedy."""
    with pytest.raises((ValueError, TypeError), match=words):
        case(**fields)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = ", "not TOML"),
        ("nmae = 'x'", "unknown key `nmae`"),
        ("name = 3", "wrong type"),
        ("workers = 0", "give 1 to"),
    ],
)
def test_wrong_suite_file_is_refused(text: str, words: str, tmp_path: Path) -> None:
    """A wrong suite.toml is refused with file and key."""
    (tmp_path / "suite.toml").write_text(text)
    with pytest.raises(UsageError, match=words):
        load_suite(tmp_path)


def test_suite_is_found_above_and_has_defaults(tmp_path: Path) -> None:
    """The nearest folder with suite.toml is the suite; without one the folder itself is, by its name."""
    deep = tmp_path / "shop" / "deep"
    deep.mkdir(parents=True)
    assert load_suite(deep).name == "deep"
    (tmp_path / "shop" / "suite.toml").write_text("")
    assert find_suite(deep) == tmp_path / "shop"
    assert load_suite(tmp_path / "shop").backends == ("default",)


def test_channel_of_another_thread_stays_its_own() -> None:
    """A channel block in a thread changes that thread only, and an unknown channel is refused."""
    seen: list[str] = []

    def work() -> None:
        with channel("observer"):
            seen.append(current_channel())
            entered.set()
            leave.wait(5)

    entered, leave = threading.Event(), threading.Event()
    thread = threading.Thread(target=work)
    thread.start()
    entered.wait(5)
    here = current_channel()
    leave.set()
    thread.join()
    assert (here, seen) == ("subject", ["observer"])
    with pytest.raises(ValueError, match="no channel `other`"), channel("other"):  # type: ignore[arg-type]
        pass
