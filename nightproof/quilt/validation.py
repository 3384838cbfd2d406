"""The rules of arguments, the same for both backends, checked before anything is sent."""

from __future__ import annotations

import json
import re
from typing import Any
from typing import Final
from typing import NoReturn
from urllib.parse import unquote

from nightproof.quilt.exceptions import ValidationError

NAME_RULE: Final = "[A-Za-z0-9_-]+/[A-Za-z0-9_-]+, at most 255 characters"
NAME: Final = re.compile(r"[A-Za-z0-9_-]+/[A-Za-z0-9_-]+")
HASH: Final = re.compile(r"[0-9a-f]{6,64}")
REGISTRY: Final = re.compile(r"s3://[A-Za-z0-9._-]{1,255}/?")
OBJECT: Final = re.compile(r"s3://[A-Za-z0-9._-]{1,255}/[^?]*[^/?](\?versionId=.+)?", re.DOTALL)
ENTRY_KEYS: Final = {"physical_key", "logical_key", "meta"}
USER: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
TABLE: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
LONGEST_NAME: Final = 255
LARGEST_RECORD: Final = 1_000_000  # bytes of one line of a manifest
JSON_RULE: Final = "what JSON can hold: no bytes, sets, NaN or infinity, and only text as keys"
LONGEST_LIFE_S: Final = 604_800  # 7 days, the longest that a Signature Version 4 URL can last


def short(text: str, most: int = 80) -> str:
    """Shorten a part of an error message; the error's context holds it whole."""
    return text if len(text) <= most else f"{text[: most - 1]}\u2026"


def json_size(value: Any) -> int | None:
    """Return the size of a value as JSON in bytes, or None if JSON cannot hold it unchanged."""
    try:
        return len(json.dumps(_keyed(value), ensure_ascii=False, allow_nan=False).encode())
    except (TypeError, ValueError, RecursionError):
        return None


def _keyed(value: Any) -> Any:
    """Return the value; raise TypeError for a key that is not text, which JSON would silently convert."""
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("a key is no text")
        return {key: _keyed(inner) for key, inner in value.items()}
    return [_keyed(inner) for inner in value] if isinstance(value, list | tuple) else value


def is_name(text: str) -> bool:
    """Return whether a text is a valid package name."""
    return NAME.fullmatch(text) is not None and len(text) <= LONGEST_NAME


class Rules:
    """Checks of the arguments of one operation of one backend; each raises ValidationError."""

    def __init__(self, backend_type: str, operation: str) -> None:
        self._base = {"backend_type": backend_type, "operation": operation}

    def refuse(self, field: str, value: Any, rule: str, index: int | None = None, message: str = "") -> NoReturn:
        """Raise the ValidationError for one argument; `index` is the position of an entry in its list."""
        context = {**self._base, "field_name": field, "field_value": value, "validation_rule": rule}
        if index is not None:
            context["index"] = index
        shown = f"The value `{short(value)}` of" if isinstance(value, str) else "The value of"
        raise ValidationError(
            message or f"{shown} `{short(field)}` is refused: {short(rule.rstrip('.'), 120)}.", context
        )

    def name(self, value: str, field: str = "package_name") -> str:
        """Accept a package name."""
        if not isinstance(value, str) or not is_name(value):
            self.refuse(field, value, NAME_RULE)
        return value

    def bucket(self, registry: str) -> str:
        """Accept a registry and return its bucket."""
        if not isinstance(registry, str) or not REGISTRY.fullmatch(registry):
            self.refuse("registry", registry, "s3://<bucket> without a key")
        return registry.removeprefix("s3://").rstrip("/")

    def top_hash(self, value: str | None, field: str = "top_hash") -> str:
        """Accept a hash or a prefix of at least 6 digits; None means `latest`."""
        if value is None or value == "latest":
            return "latest"
        if not isinstance(value, str) or not HASH.fullmatch(value):
            self.refuse(field, value, "64 lower-case hex digits, a prefix of at least 6, or `latest`")
        return value

    def doomed(self, value: str | None) -> str | None:
        """Accept the revision to delete. None means every revision, which is not the same as `latest`."""
        return None if value is None else self.top_hash(value)

    def path(self, value: str, field: str = "path", index: int | None = None) -> str:
        """Accept a logical path, `""` included, and return it without a trailing slash."""
        bare = value.removesuffix("/") if isinstance(value, str) else value
        if (
            not isinstance(bare, str)
            or value.startswith("/")
            or (bare and any(part in {"", ".", ".."} for part in bare.split("/")))
        ):
            self.refuse(field, value, "a path relative to the package root without empty, `.` or `..` parts", index)
        return bare

    def life(self, seconds: int) -> int:
        """Accept the lifetime of a signed URL, 1 to 604,800 seconds."""
        if not isinstance(seconds, int) or not 0 < seconds <= LONGEST_LIFE_S:
            self.refuse("expires_in", seconds, f"whole seconds from 1 to {LONGEST_LIFE_S}")
        return seconds

    def metadata(
        self, value: dict[str, Any] | None, field: str = "metadata", index: int | None = None
    ) -> dict[str, Any] | None:
        """Accept user metadata."""
        if not isinstance(value, dict | None):
            self.refuse(field, value, "a dict", index)
        if json_size(value) is None:
            self.refuse(field, value, JSON_RULE, index)
        return value

    def header(self, message: str, metadata: dict[str, Any] | None) -> None:
        """Accept what becomes the first record of a manifest; one that is too large is blamed on its larger part."""
        if not isinstance(message, str | None) or json_size(message) is None:
            self.refuse("message", message, "text")
        larger, value = max((("message", message), ("metadata", metadata)), key=lambda part: json_size(part[1]) or 0)
        self._record(larger, value, {"version": "v0", "message": message, "user_meta": metadata})

    def _record(self, field: str, value: Any, record: dict[str, Any], index: int | None = None) -> None:
        size = json_size(record) or 0
        if size > LARGEST_RECORD:
            self.too_large(field, value, size, index)

    def too_large(self, field: str, value: Any, size: int, index: int | None = None) -> NoReturn:
        """Raise the ValidationError for a value that makes a manifest record too large; `size` is in bytes."""
        rule = f"at most {LARGEST_RECORD:,} bytes in one record of a manifest, which would have {size:,}"
        self.refuse(field, value, rule, index, message=f"The value of `{field}` is refused: {rule}.")

    def variables(self, value: dict[str, Any] | None) -> dict[str, Any] | None:
        """Accept the variables of a GraphQL document."""
        if not isinstance(value, dict | None) or json_size(value) is None:
            self.refuse("variables", value, JSON_RULE)
        return value

    def query(self, value: str) -> str:
        """Accept a search text and return it stripped."""
        if not isinstance(value, str) or not value.strip():
            self.refuse("query", value, "not empty")
        return value.strip()

    def text(self, value: str, field: str) -> str:
        """Accept the name of something that must exist."""
        if not isinstance(value, str) or not value:
            self.refuse(field, value, "a text that is not empty")
        return value

    def new_user(self, name: str, email: str) -> None:
        """Accept the name and e-mail address of a new user."""
        if not isinstance(name, str) or not USER.fullmatch(name):
            self.refuse("name", name, f"{USER.pattern}, beginning with a letter on some catalogs")
        self.email(email)

    def email(self, value: str) -> str:
        """Accept an e-mail address."""
        if not isinstance(value, str) or "@" not in value:
            self.refuse("email", value, "an e-mail address with an `@`")
        return value

    def flag(self, value: bool, field: str) -> bool:  # noqa: FBT001 - the flag is the argument
        """Accept a bool, and nothing that would only convert to one."""
        if not isinstance(value, bool):
            self.refuse(field, value, "true or false")
        return value

    def roles(self, value: list[str] | None, field: str, *, needed: bool = False) -> list[str]:
        """Accept a list of role names; None means an empty list."""
        given = [] if value is None else value
        if not isinstance(given, list) or not all(isinstance(role, str) and role for role in given):
            self.refuse(field, value, "a list of role names")
        if needed and not given:
            self.refuse(field, value, "at least one role")
        return given

    def new_table(self, value: str, field: str = "table_name") -> str:
        """Accept the name of a new table."""
        if not isinstance(value, str) or not TABLE.fullmatch(value):
            self.refuse(field, value, TABLE.pattern)
        return value

    def bare_bucket(self, value: str) -> str:
        """Accept the name of a bucket, without `s3://`."""
        if not isinstance(value, str) or not value or "/" in value:
            self.refuse("bucket", value, "a bucket's name without `s3://`")
        return value

    def configuration(self, value: str) -> str:
        """Accept a configuration that only the server can validate.

        An empty text is rejected because it would remove the configuration.
        """
        if not isinstance(value, str) or not value.strip():
            self.refuse("config", value, "YAML text that is not empty")
        return value

    def entries(self, entries: list[dict[str, Any]], *, auto_organize: bool) -> list[dict[str, Any]]:
        """Accept entries and return them with their logical keys.

        With `auto_organize`, a missing logical key is taken from the object's key.
        """
        seen: set[str] = set()
        directories: set[str] = set()
        checked = []
        if not isinstance(entries, list):
            self.refuse("entries", entries, "a list of entries")
        for index, entry in enumerate(entries):
            if not isinstance(entry, dict):
                self.refuse("entries", entry, "an entry is a dict", index)
            for key in entry.keys() - ENTRY_KEYS:
                self.refuse(key, entry[key], "an entry has physical_key, logical_key and meta only", index)
            physical = entry.get("physical_key")
            if physical is None:
                self.refuse("physical_key", None, "physical_key is required: s3://bucket/key", index)
            if not isinstance(physical, str) or not OBJECT.fullmatch(physical):
                self.refuse("physical_key", physical, "s3://bucket/key[?versionId=v]", index)
            meta = self.metadata(entry.get("meta"), "meta", index)
            logical = self._logical(entry, physical, index, auto_organize=auto_organize)
            parts = logical.split("/")
            above = {"/".join(parts[:depth]) for depth in range(1, len(parts))}
            if logical in seen or logical in directories or above & seen:
                self.refuse("logical_key", logical, "one entry per key, and no file that is also a directory", index)
            seen.add(logical)
            directories |= above
            named = {"logical_key": logical, "physical_key": physical, "meta": meta}
            self._record("meta", meta, named, index)
            checked.append(named)
        return checked

    def _logical(self, entry: dict[str, Any], physical: str, index: int, *, auto_organize: bool) -> str:
        logical = entry.get("logical_key")
        if logical is None and auto_organize:
            logical = unquote(physical.removeprefix("s3://").split("/", 1)[1].split("?versionId=", 1)[0])
        if not isinstance(logical, str) or not logical or logical.endswith("/"):
            self.refuse("logical_key", logical, "a file's path within the package", index)
        return self.path(logical, "logical_key", index)
