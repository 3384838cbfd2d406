"""What goes to Prefect is masked: it keeps errors, logs, messages and artifacts in a database of its own."""

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
    """Masks errors and log records with the redactor of tonight; before there is one, with the environment's."""

    def __init__(self) -> None:
        super().__init__()
        self.redactor = environment_redactor()

    def use(self, redactor: Redactor) -> None:
        """Mask from now on with this redactor whatever Prefect's loggers hand on; one process runs one night."""
        self.redactor = redactor
        names = [name for name in logging.Logger.manager.loggerDict if name.partition(".")[0] == "prefect"]
        for handler in (handler for name in names for handler in logging.getLogger(name).handlers):
            handler.addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through, its message and its traceback masked."""
        record.msg, record.args = self.redactor.text(record.getMessage()), ()
        if record.exc_info:
            record.exc_text = record.exc_text or logging.Formatter().formatException(record.exc_info)
            record.exc_info = None  # else a handler would write it anew
        if record.exc_text:
            record.exc_text = self.redactor.text(record.exc_text)
        return True

    def error(self, error: Exception) -> Exception:
        """Return the error with its texts masked in place, or another where it makes up its text elsewhere."""
        for one in _chain(error):
            one.args = tuple(self.redactor.text(part) if isinstance(part, str) else part for part in one.args)
        if all(self.redactor.text(str(one)) == str(one) for one in _chain(error)):
            return error
        return NightproofError(self.redactor.text(f"{type(error).__name__}: {error}"))


MASK: Final = Mask()


def task(name: str, **options: Any) -> Callable[[Callable[P, R]], prefect.Task[P, R]]:
    """Make a Prefect task whose errors are masked, and that runs each time it is called."""

    def made(function: Callable[P, R]) -> prefect.Task[P, R]:
        @wraps(function)
        def masked(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except Exception as error:  # whatever it is, Prefect would store its text
                if (safe := MASK.error(error)) is error:
                    raise
                raise safe from None

        return prefect.task(name=name, cache_policy=NO_CACHE, **options)(masked)

    return made


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and those that it came from or that it holds, each once."""
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
