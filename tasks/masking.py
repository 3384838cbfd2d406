"""Masking of everything that Prefect stores in its own database: errors, logs, messages and artifacts."""

from __future__ import annotations

import logging
from functools import wraps
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from typing import ParamSpec
from typing import TypeVar

import prefect
from prefect.cache_policies import NO_CACHE

from nightproof.errors import NightproofError
from nightproof.evidence.folder import environment_redactor

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    from nightproof.redact import Redactor

P = ParamSpec("P")
R = TypeVar("R")


class Mask(logging.Filter):
    """Masks errors and log records: with the environment's redactor until `use` sets the night's."""

    def __init__(self) -> None:
        super().__init__()
        self.redactor = environment_redactor()

    def use(self, redactor: Redactor) -> None:
        """Mask with this redactor from now on, in every handler of Prefect's loggers; one process runs one night."""
        self.redactor = redactor
        names = [name for name in logging.Logger.manager.loggerDict if name.partition(".")[0] == "prefect"]
        for handler in (handler for name in names for handler in logging.getLogger(name).handlers):
            handler.addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the record's message and traceback; return True, so no record is dropped."""
        record.msg, record.args = self.redactor.text(record.getMessage()), ()
        if record.exc_info:
            record.exc_text = record.exc_text or logging.Formatter().formatException(record.exc_info)
            record.exc_info = None  # else a handler would format the unmasked exception again
        if record.exc_text:
            record.exc_text = self.redactor.text(record.exc_text)
        return True

    def error(self, error: Exception) -> Exception:
        """Mask the error's `args` in place and return it; return a NightproofError if its text is built elsewhere."""
        for one in _chain(error):
            one.args = tuple(self.redactor.text(part) if isinstance(part, str) else part for part in one.args)
        if all(self.redactor.text(str(one)) == str(one) for one in _chain(error)):
            return error
        return NightproofError(self.redactor.text(f"{type(error).__name__}: {error}"))


MASK: Final = Mask()


def task(name: str, **options: Any) -> Callable[[Callable[P, R]], prefect.Task[P, R]]:
    """Return a decorator for a Prefect task that masks its errors and never reuses a cached result."""

    def made(function: Callable[P, R]) -> prefect.Task[P, R]:
        @wraps(function)
        def masked(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except Exception as error:  # any exception: Prefect would store its text
                if (safe := MASK.error(error)) is error:
                    raise
                raise safe from None

        return prefect.task(name=name, cache_policy=NO_CACHE, **options)(masked)

    return made


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error with its causes, contexts and group members, each once."""
    ahead: list[BaseException | None] = [error]
    seen: set[int] = set()
    while ahead:
        one = ahead.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        ahead += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            ahead += one.exceptions
