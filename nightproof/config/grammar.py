"""Types of profile values: names, addresses, schedules, patterns, limits.

Each check returns its value or raises ValueError with half a sentence; the reader of the file adds file and key.
"""

from __future__ import annotations

import re
import zoneinfo
from datetime import timedelta
from typing import TYPE_CHECKING
from typing import Annotated
from typing import Final
from urllib.parse import urlsplit

from pydantic import AfterValidator
from pydantic import Field

from nightproof.config.cron import require_cron
from nightproof.evidence.suite import require_name
from nightproof.suggestions import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST_S: Final = timedelta(days=30).total_seconds()  # far longer than any night, far below the limit of timeouts
VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
MENTION: Final = re.compile(r"[SUW][A-Z0-9]{1,20}")
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def _timezone(zone: str) -> str:
    known = zoneinfo.available_timezones()
    if zone not in known:
        raise ValueError(f"it is no time zone of the IANA database, as `Europe/Berlin` is.{nearest(zone, known)}")
    return zone


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"it is no regular expression ({error})") from error
    return text


def _variable(name: str) -> str:
    if not VARIABLE.fullmatch(name):
        raise ValueError("it is no name of an environment variable: letters, digits and `_`, no digit first")
    return name


def _mention(given: str) -> str:
    if given and not MENTION.fullmatch(given):
        raise ValueError(
            "give the id of a user group or a user, as `S012ABCDEF`; `!channel` and `!here` call everybody"
        )
    return given


def _address(url: str) -> str:
    """Return an address; raise ValueError for one that no client accepts, whatever its scheme."""
    if not url or url != "".join(url.split()):
        raise ValueError("it is no address: it is empty or holds a blank")
    try:
        is_complete = urlsplit(url).port is not None or bool(urlsplit(url).hostname)
    except ValueError as error:
        raise ValueError(f"it is no address ({error})") from error
    if "://" in url and not is_complete:
        raise ValueError("it names no host: write it as `https://host:port/path`")
    return url


def _web_address(url: str) -> str:
    if url and urlsplit(_address(url)).scheme not in {"http", "https"}:
        raise ValueError("it is no web address: it starts with `http://` or `https://`")
    return url


def _store(place: str) -> str:
    scheme, found, rest = place.partition("://")
    if not found:
        return place
    if scheme != "s3":
        raise ValueError(f"there is no store of the kind `{scheme}://`: name a directory or `s3://bucket/prefix`")
    if not BUCKET.fullmatch(rest.partition("/")[0]):
        raise ValueError("it names no bucket: write it as `s3://bucket/prefix`")
    return place


def require_distinct(values: Iterable[str]) -> None:
    """Raise ValueError for the first value that occurs twice."""
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"`{value}` stands there twice: remove one of them")
        seen.add(value)


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    require_distinct(values)
    return values


Name = Annotated[str, AfterValidator(require_name)]
Names = Annotated[tuple[Name, ...], AfterValidator(_distinct)]
Variables = Annotated[tuple[Annotated[str, AfterValidator(_variable)], ...], AfterValidator(_distinct)]
Cron = Annotated[str, AfterValidator(require_cron)]
Timezone = Annotated[str, AfterValidator(_timezone)]
Pattern = Annotated[str, AfterValidator(_pattern)]
Mention = Annotated[str, AfterValidator(_mention)]
Address = Annotated[str, AfterValidator(_address)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
Store = Annotated[str, AfterValidator(_store)]
Word = Annotated[str, Field(pattern=r"^\S+$")]
Seconds = Annotated[float, Field(gt=0, le=LONGEST_S, strict=True)]
Factor = Annotated[float, Field(gt=0, le=1000, strict=True)]
Rate = Annotated[float, Field(ge=0, le=1, strict=True)]
Money = Annotated[float, Field(ge=0, strict=True)]
Port = Annotated[int, Field(ge=0, le=65535, strict=True)]
Flag = Annotated[bool, Field(strict=True)]
