"""Query executions: one thread each, two at a time, kept with their results up to a number and a size."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from testbed.athena.account import account_of
from testbed.athena.engine import Guard
from testbed.athena.engine import Limits
from testbed.athena.failures import InvalidRequestError
from testbed.athena.failures import QueryFailedError
from testbed.athena.running import Asked
from testbed.athena.running import Outcome
from testbed.athena.running import Run
from testbed.athena.statements import bare

if TYPE_CHECKING:
    from testbed.athena.account import Keys
    from testbed.athena.account import Surroundings

RUNNING_AT_ONCE: Final = 2
UNFINISHED: Final = 100  # more are refused, as Athena refuses more than its quota
KEPT: Final = 1000
KEPT_BYTES: Final = 128_000_000
ENGINE: Final = "Athena engine version 3"
FINAL: Final = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
KINDS: Final = {  # first words of a statement -> its type and subtype
    "CREATE TABLE": ("DDL", "CREATE_TABLE_AS_SELECT"),
    "CREATE EXTERNAL": ("DDL", "CREATE_TABLE"),
    "CREATE OR": ("DDL", "CREATE_VIEW"),
    "CREATE VIEW": ("DDL", "CREATE_VIEW"),
    "DROP TABLE": ("DDL", "DROP_TABLE"),
    "DROP VIEW": ("DDL", "DROP_VIEW"),
    "SHOW": ("UTILITY", "SHOW"),
    "DESC": ("UTILITY", "DESCRIBE_TABLE"),
    "PREPARE": ("UTILITY", "PREPARE"),
    "DEALLOCATE": ("UTILITY", "DEALLOCATE_PREPARE"),
}
LOG: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class Execution:
    """One query execution, from submission to end; times are seconds since the epoch."""

    asked: Asked
    guard: Guard
    token: str
    user: str = ""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: str = "QUEUED"
    reason: str = ""
    submitted: float = field(default_factory=time.time)
    started: float = 0.0
    ended: float = 0.0
    outcome: Outcome | None = None
    scanned: int = 0

    @property
    def kind(self) -> tuple[str, str]:
        """Return type and subtype of the statement."""
        words = " ".join(bare(self.asked.text).split(None, 2)[:2]).upper()
        return next((kind for start, kind in KINDS.items() if words.startswith(start)), ("DML", "SELECT"))

    @property
    def location(self) -> str:
        """Return the S3 location of the result.

        The suffix is `.csv` for a query and `.txt` for other statements; a CREATE TABLE AS has none.
        """
        is_made = self.kind[1] == "CREATE_TABLE_AS_SELECT"
        return f"{self.asked.output}{self.id}{'' if is_made else '.csv' if self.kind[0] == 'DML' else '.txt'}"

    def described(self) -> dict[str, Any]:
        """Return the description that GetQueryExecution sends."""
        status: dict[str, Any] = {"State": self.state, "SubmissionDateTime": self.submitted}
        if self.reason:
            status["StateChangeReason"] = self.reason
        if self.ended:
            status["CompletionDateTime"] = self.ended
        if self.state == "FAILED":
            status["AthenaError"] = {
                "ErrorCategory": 2,
                "ErrorType": 1,
                "Retryable": False,
                "ErrorMessage": self.reason,
            }
        context = {"Database": self.asked.database, "Catalog": self.asked.catalog}
        described: dict[str, Any] = {
            "QueryExecutionId": self.id,
            "Query": self.asked.text,
            "StatementType": self.kind[0],
            "SubstatementType": self.kind[1],
            "ResultConfiguration": {"OutputLocation": self.location},
            "QueryExecutionContext": context,
            "Status": status,
            "Statistics": self._statistics(),
            "WorkGroup": self.asked.workgroup,
            "EngineVersion": {"SelectedEngineVersion": ENGINE, "EffectiveEngineVersion": ENGINE},
        }
        return described | ({"ExecutionParameters": list(self.asked.values)} if self.asked.values else {})

    def _statistics(self) -> dict[str, int]:
        now = self.ended or time.time()
        began = self.started or now
        return {
            "EngineExecutionTimeInMillis": int((now - began) * 1000),
            "DataScannedInBytes": self.scanned,
            "TotalExecutionTimeInMillis": int((now - self.submitted) * 1000),
            "QueryQueueTimeInMillis": int((began - self.submitted) * 1000),
            "ServiceProcessingTimeInMillis": 0,
        }


class Executions:
    """All query executions of the account."""

    def __init__(self, surroundings: Surroundings, limits: Limits | None = None) -> None:
        self.surroundings = surroundings
        self.limits = limits or Limits()
        self._known: OrderedDict[str, Execution] = OrderedDict()
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(RUNNING_AT_ONCE)

    def start(self, asked: Asked, keys: Keys, token: str = "") -> Execution:
        """Submit a query and return its execution.

        A ClientRequestToken that was used before returns the earlier execution. Raise InvalidRequestError if the
        earlier query differs or the queue is full.
        """
        execution = Execution(asked, Guard(self.limits), token, keys.user)
        with self._lock:
            for known in self._known.values():
                if token and known.token == token:
                    if known.asked == asked:
                        return known
                    raise InvalidRequestError("Idempotent parameters do not match.")
            if sum(known.state not in FINAL for known in self._known.values()) >= UNFINISHED:
                raise InvalidRequestError("Too many queries are queued or running.", "TooManyRequestsException")
            self._known[execution.id] = execution
        threading.Thread(target=self._run, args=(execution, keys), daemon=True).start()
        return execution

    def get(self, query_id: str) -> Execution:
        """Return an execution by its id; raise InvalidRequestError if there is none."""
        with self._lock:
            if query_id not in self._known:
                raise InvalidRequestError(f"QueryExecution {query_id} was not found")
            return self._known[query_id]

    def newest_first(self, workgroup: str) -> list[str]:
        """Return the ids of a workgroup's executions, newest first."""
        with self._lock:
            return [known.id for known in reversed(self._known.values()) if known.asked.workgroup == workgroup]

    def stop(self, query_id: str) -> None:
        """Cancel an execution; one that has ended stays as it is."""
        execution = self.get(query_id)
        execution.guard.cancelled.set()
        self._end(execution, "CANCELLED", "Query cancelled by user")

    def _run(self, execution: Execution, keys: Keys) -> None:
        with self._turns:
            with self._lock:
                if execution.state in FINAL:
                    return
                execution.state, execution.started = "RUNNING", time.time()
            execution.guard.start()
            try:
                outcome = self._outcome(execution, keys)
            except QueryFailedError as failure:
                facts = {"reason": str(failure), "user": execution.user}
                is_failed = self.surroundings.bend("ends in failure", value=True, **facts)
                self._end(execution, "FAILED" if is_failed else "SUCCEEDED", str(failure) * is_failed)
            except Exception as error:  # an unexpected error must end the query: a client would wait for ever
                LOG.exception("query %s", execution.id)
                self._end(execution, "FAILED", f"GENERIC_INTERNAL_ERROR: {type(error).__name__}: {error}")
            else:
                self._end(execution, "SUCCEEDED", "", outcome)

    def _outcome(self, execution: Execution, keys: Keys) -> Outcome:
        account = account_of(self.surroundings, keys)
        outcome = Run(account, execution.guard, execution.asked, execution.id).outcome()
        execution.guard.check()
        if execution.kind[1] != "CREATE_TABLE_AS_SELECT":
            account.write(execution.location, written(outcome))
        return outcome

    def _end(self, execution: Execution, state: str, reason: str, outcome: Outcome | None = None) -> None:
        """Record the end of an execution, unless it has ended already."""
        # Only `athena-never-finishes` keeps a query running; it can still be cancelled.
        if state != "CANCELLED" and not self.surroundings.bend("ends", value=True, user=execution.user):
            return
        with self._lock:
            if execution.state in FINAL:
                return
            execution.ended, execution.reason, execution.outcome = time.time(), reason, outcome
            execution.scanned = outcome.scanned if outcome else 0
            execution.state = state
            self._forget()

    def _forget(self) -> None:
        """Drop the oldest ended executions above KEPT, and the oldest results above KEPT_BYTES."""
        ended = [known for known in self._known.values() if known.state in FINAL]
        for old in ended[: max(0, len(self._known) - KEPT)]:
            del self._known[old.id]
        held = 0
        for known in reversed(ended):
            held += known.outcome.cost if known.outcome else 0
            if held > KEPT_BYTES:
                known.outcome = None


def written(outcome: Outcome) -> bytes:
    """Return a result file as Athena writes it.

    A query gives quoted CSV with a header; any other statement gives tab-separated lines.
    """
    if not outcome.has_header:
        return "".join("\t".join(value or "" for value in row) + "\n" for row in outcome.rows).encode()
    header: list[str | None] = [column["Name"] for column in outcome.columns]
    return "".join(",".join(map(_cell, row)) + "\n" for row in [header, *outcome.rows]).encode()


def _cell(value: str | None) -> str:
    """Return one CSV value; NULL is empty and unquoted, so that it differs from an empty string."""
    return "" if value is None else '"' + value.replace('"', '""') + '"'
