"""The answers that a test saw from a system with several backends, in a form that allows comparing two backends.

Names that the ledger knows become `<package 1>`, `<user 1>` and so on, in the order of their intents. Words that a test
declares as its own become `<words 1>`. What is left of the run's tag becomes `<N>`. Digests are SHA-256 over canonical
JSON: sorted keys, no spaces, NFC text.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import threading
import unicodedata
from contextlib import contextmanager
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from urllib.parse import parse_qs
from urllib.parse import urlsplit

from nightproof.evidence.state import RECORDING
from nightproof.evidence.state import current_channel

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    from nightproof.evidence.state import TestState

SHOWN_CHARACTERS: Final = 2000
TAG: Final = "<N>"
LOOPBACK: Final = re.compile(r"(?<=127\.0\.0\.1:)\d+")  # a server that the test itself started gets any free port
PORT: Final = "<port>"
WORDS: Final = "<words "
OWN: Final = ("<package ", "<object ", "<prefix ", "<user ", "<role ", "<table ", "<api_key ")
# Fields of answers that hold a time or a server-made name, and so differ between backends.
IGNORED_FIELDS: Final = frozenset(
    {
        "arn", "catalog_name", "created_at", "created_date", "date_joined", "download_url", "expires_at", "fingerprint",
        "id", "last_login", "last_used_at", "secret", "timestamp",
    }
)  # fmt: skip
IGNORED_CONTEXT: Final = frozenset(
    {"auth_method", "backend_type", "elapsed_s", "expires_at", "original_exception", "remediation"}
)
SEARCH_FIELDS: Final = ("name", "top_hash", "description", "tags")
INVENTORIES: Final = frozenset(
    {
        "admin.list_api_keys", "admin.list_roles", "admin.list_users", "list_all_packages", "list_buckets",
        "list_tabulator_tables", "search_packages",
    }
)  # fmt: skip


def record(operation: str, given: Any, answer: Any, error: BaseException | None = None) -> None:
    """Keep an interface's answer to the running test's body; calls of worker threads have no order and are left out."""
    state = RECORDING.test
    is_body = state is not None and state.phase == "call" and current_channel() == "subject"
    if state is None or not is_body or state.unobserved or threading.current_thread() is not threading.main_thread():
        return
    _keep(state, operation, given, answer, error)


def observe(what: str, value: Any) -> None:
    """Keep an answer that no recorded interface gave, such as rows of SQL, to be compared between backends.

    Raise RuntimeError outside the body of a test.
    """
    state = RECORDING.test
    if state is None or state.phase != "call":
        raise RuntimeError(f"No test's body runs that could observe `{what}`: call observe() inside a test.")
    if not state.unobserved:
        _keep(state, what, None, value, None)


def _keep(state: TestState, operation: str, given: Any, answer: Any, error: BaseException | None) -> None:
    form = _Form(state.names, state.tag)
    asked = LOOPBACK.sub(PORT, _json(form.plain(given)))
    # A revision made with the test's own words has a hash of its own: register it before the answer takes its form.
    if WORDS in asked and hasattr(answer, "top_hash"):
        RECORDING.stand_for("revision", answer.top_hash)
        form = _Form(state.names, state.tag)
    refused = error is not None
    found = LOOPBACK.sub(PORT, _json(form.error(error))) if refused else _json(form.answer(operation, answer, asked))
    state.observations.append(
        {
            "operation": operation,
            "input": asked[:SHOWN_CHARACTERS],
            "input_sha256": _sha256(asked),
            "output": found[:SHOWN_CHARACTERS],
            "output_sha256": _sha256(found),
        }
    )


def own_words(words: str) -> str:
    """Return words that no other test uses, compared as `<words 1>`; the revision made with them is `<revision 1>`.

    Revisions with equal message, metadata and content share one manifest, wherever their files are. When two tests copy
    equal files, the manifest names those of the later test, and they are deleted when that test ends.
    """
    RECORDING.stand_for("words", words)
    return words


@contextmanager
def unobserved(reason: str) -> Iterator[None]:
    """Leave out what the block observes, where the backends differ for a reason that is not a defect."""
    if not reason:
        raise ValueError("A block that is not observed lacks its reason: say why the backends differ there.")
    state = RECORDING.test
    if state is None:
        yield
        return
    state.unobserved.append(reason)
    try:
        yield
    finally:
        state.unobserved.remove(reason)


@contextmanager
def polling() -> Iterator[Callable[[], None]]:
    """Yield a function to call before each poll: it drops earlier answers, so that only the last counts."""
    state = RECORDING.test
    begin = len(state.observations) if state else 0

    def again() -> None:
        if state is not None:
            del state.observations[begin:]

    yield again


class _Form:
    """The canonical form of values for one test: its own names are replaced, longest first, then the run's tag."""

    def __init__(self, names: dict[str, str], tag: str) -> None:
        self._names = sorted(names.items(), key=lambda pair: -len(pair[0]))
        self._tag = tag

    def plain(self, value: Any) -> Any:
        """Return a value of JSON's types; any other value becomes the name of its type."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return {self._text(str(key)): self.plain(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.plain(item) for item in value]
        if isinstance(value, (set, frozenset)):
            return sorted((self.plain(item) for item in value), key=_json)
        if dataclasses.is_dataclass(value):
            return self._record(value)
        return value if value is None or isinstance(value, (bool, int, float)) else f"<{type(value).__name__}>"

    def answer(self, operation: str, answer: Any, asked: str) -> Any:
        """Return an answer without the parts that the comparison ignores."""
        if operation == "get_content_url" and isinstance(answer, str):
            return _url(answer)
        found = self.plain(answer)
        if operation == "search_packages":
            found = [{name: hit[name] for name in SEARCH_FIELDS} for hit in found]
        if operation == "browse_content" or TAG in asked or any(own in asked for own in OWN):
            found = _without(found, "modified_date")  # the test itself wrote this a moment ago
        return [item for item in found if self._counts(operation, item)] if isinstance(found, list) else found

    def error(self, error: BaseException | None) -> Any:
        """Return class and context of an error; its message is for people."""
        context = getattr(error, "context", {})
        kept = {name: value for name, value in context.items() if name not in IGNORED_CONTEXT}
        return {"error": type(error).__name__, "context": self.plain(kept)}

    def _counts(self, operation: str, item: Any) -> bool:
        """Return whether an item of a list is compared; what other tests have at this moment is left out.

        Items of this run are known by its tag. Inventories may also hold items of other runs, unless the target is
        exclusive.
        """
        text = _json(item)
        if any(own in text for own in OWN):
            return True
        return TAG not in text and (operation not in INVENTORIES or RECORDING.has_exact_inventory)

    def _record(self, value: Any) -> dict[str, Any]:
        given = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.name not in IGNORED_FIELDS}
        if isinstance(given.get("size"), float) and given["size"].is_integer():
            given["size"] = int(given["size"])
        return {name: self.plain(item) for name, item in given.items()}

    def _text(self, text: str) -> str:
        text = unicodedata.normalize("NFC", text)
        for name, stands_for in self._names:
            text = text.replace(name, stands_for)
        return text.replace(self._tag, TAG) if self._tag else text


def _url(text: str) -> dict[str, Any]:
    """Return the parts of a presigned URL that are compared; the signature itself differs every time."""
    parts = urlsplit(text)
    query = parse_qs(parts.query)
    return {
        "scheme": parts.scheme,
        "host": parts.netloc,
        "has_version_id": "versionId" in query,
        "expires_s": query.get("X-Amz-Expires", [None])[0],
    }


def _without(found: Any, field: str) -> Any:
    if isinstance(found, dict):
        return {name: value for name, value in found.items() if name != field}
    return [_without(item, field) for item in found] if isinstance(found, list) else found


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
