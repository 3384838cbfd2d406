"""Types of the records' quantities: counts and seconds, never negative."""

from __future__ import annotations

from typing import Annotated
from typing import Final

from pydantic import ConfigDict
from pydantic import Field

CONFIG: Final = ConfigDict(extra="forbid", ser_json_timedelta="float")
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]
