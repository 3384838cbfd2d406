"""Query executions: each in a thread of its own, a few at a time, remembered with its result for a while."""

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
KINDS: Final = {  # the statement's first words, its type, its subtype
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
    """One query, from its submission to its end."""

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
        """Tell type and subtype of the statement."""
        words = " ".join(bare(self.asked.text).split(None, 2)[:2]).upper()
        return next((kind for start, kind in KINDS.items() if words.startswith(start)), ("DML", "SELECT"))

    @property
    def location(self) -> str:
        """Say where the result lies: a CSV of a query, plain text of anything else."""
        is_made = self.kind[1] == "CREATE_TABLE_AS_SELECT"
        return f"{self.asked.output}{self.id}{'' if is_made else '.csv' if self.kind[0] == 'DML' else '.txt'}"

    def described(self) -> dict[str, Any]:
        """Describe it as GetQueryExecution does."""
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
    """All executions of the account."""

    def __init__(self, surroundings: Surroundings, limits: Limits | None = None) -> None:
        self.surroundings = surroundings
        self.limits = limits or Limits()
        self._known: OrderedDict[str, Execution] = OrderedDict()
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(RUNNING_AT_ONCE)

    def start(self, asked: Asked, keys: Keys, token: str = "") -> Execution:
        """Submit a query; one that was submitted with this token already is given again."""
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
        """Give an execution by its id."""
        with self._lock:
            if query_id not in self._known:
                raise InvalidRequestError(f"QueryExecution {query_id} was not found")
            return self._known[query_id]

    def newest_first(self, workgroup: str) -> list[str]:
        """Give the ids of a workgroup's executions."""
        with self._lock:
            return [known.id for known in reversed(self._known.values()) if known.asked.workgroup == workgroup]

    def stop(self, query_id: str) -> None:
        """Cancel an execution; one that ended already stays as it is."""
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
            except Exception as error:  # whatever else a statement provokes must end it, not leave it running for ever
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
        """Note the end, unless there is one already."""
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
        """Drop the oldest that ended, by number, and the oldest results, by size."""
        ended = [known for known in self._known.values() if known.state in FINAL]
        for old in ended[: max(0, len(self._known) - KEPT)]:
            del self._known[old.id]
        held = 0
        for known in reversed(ended):
            held += known.outcome.cost if known.outcome else 0
            if held > KEPT_BYTES:
                known.outcome = None


def written(outcome: Outcome) -> bytes:
    """Write a result as Athena does: quoted CSV with a header for a query, tab-separated lines for anything else."""
    if not outcome.has_header:
        return "".join("\t".join(value or "" for value in row) + "\n" for row in outcome.rows).encode()
    header: list[str | None] = [column["Name"] for column in outcome.columns]
    return "".join(",".join(map(_cell, row)) + "\n" for row in [header, *outcome.rows]).encode()


def _cell(value: str | None) -> str:
    """Write one value: nothing at all for NULL, so that it differs from an empty string."""
    return "" if value is None else '"' + value.replace('"', '""') + '"'
