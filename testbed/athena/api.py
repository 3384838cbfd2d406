"""Athena's operations on queries (JSON 1.1), which replace ministack's; ministack keeps all other operations.

ministack checks signature and permissions before it calls a service. A request that IAM refuses never arrives here.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from starlette.concurrency import run_in_threadpool

from testbed.athena import metadata
from testbed.athena.account import Keys
from testbed.athena.account import account_of
from testbed.athena.account import place_of
from testbed.athena.executions import FINAL
from testbed.athena.executions import Executions
from testbed.athena.failures import InvalidRequestError
from testbed.athena.failures import QueryFailedError
from testbed.athena.running import Asked
from testbed.parsing import json_of

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from collections.abc import Callable
    from collections.abc import Mapping

Reply = tuple[int, dict[str, str], bytes]
LONGEST: Final = 262_144  # bytes of a statement, Athena's own limit
MOST_ROWS: Final = 1000
MOST_IDS: Final = 50


class Athena:
    """Athena's endpoint: answers the operations on queries and passes the others to ministack."""

    def __init__(
        self,
        others: Callable[[str, str, dict[str, str], bytes, dict[str, Any]], Awaitable[Reply]],
        executions: Executions,
        keys_of: Callable[[Mapping[str, str]], Keys],
    ) -> None:
        self._others = others
        self._executions = executions
        self._keys_of = keys_of
        self._operations: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "GetQueryExecution": self._get,
            "GetQueryResults": self._results,
            "StopQueryExecution": self._stop,
            "ListQueryExecutions": self._list,
            "BatchGetQueryExecution": self._batch_get,
        }

    async def handle(
        self, method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Reply:
        """Answer one request; ministack has already checked its signature and permissions."""
        name = headers.get("x-amz-target", "").rpartition(".")[2]
        try:
            if name == "StartQueryExecution":
                asked = _read(body)
                workgroup = await self._workgroup(asked.get("WorkGroup", "primary"), headers)
                return _reply(200, self._start(asked, workgroup, self._keys_of(headers)))
            if name in self._operations:
                return _reply(200, self._operations[name](_read(body)))
            if name in metadata.OPERATIONS:
                return await self._metadata(name, metadata.spelt(_read(body)), method, path, headers, query)
            if name == "ListDataCatalogs":
                return await self._catalogs(method, path, headers, body, query)
        except InvalidRequestError as error:
            return _reply(400, {"__type": error.code, "message": str(error), "Message": str(error)})
        return await self._others(method, path, headers, body, query)

    async def _metadata(
        self, name: str, asked: dict[str, Any], method: str, path: str, headers: dict[str, str], query: dict[str, Any]
    ) -> Reply:
        """Answer from Tabulator's catalog, or pass the request to ministack for an answer from Glue."""
        account = account_of(self._executions.surroundings, self._keys_of(headers))
        if metadata.is_about_tabulator(asked):
            return _reply(200, await run_in_threadpool(metadata.answer, account, name, asked))
        if name == "GetTableMetadata":
            await run_in_threadpool(metadata.require_table, account, asked)
        return await self._others(method, path, headers, json.dumps(asked).encode(), query)

    async def _catalogs(
        self, method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Reply:
        """List ministack's data catalogs, then ours."""
        status, _, answer = await self._others(method, path, headers, body, query)
        found = json.loads(answer)
        ours = [{"CatalogName": name, "Type": kind} for name, kind in metadata.KINDS.items()]
        found["DataCatalogsSummary"] = [*found.get("DataCatalogsSummary", []), *ours]
        return _reply(status, found)

    async def _workgroup(self, name: str, headers: dict[str, str]) -> dict[str, Any]:
        """Return a workgroup's configuration.

        The service itself reads it, so the caller needs no permission for it. Raise InvalidRequestError if the
        workgroup is unknown or disabled.
        """
        target = headers | {"x-amz-target": "AmazonAthena.GetWorkGroup"}
        status, _, body = await self._others("POST", "/", target, json.dumps({"WorkGroup": name}).encode(), {})
        found = json.loads(body).get("WorkGroup") if status == 200 else None  # noqa: PLR2004 - HTTP's own number
        if found is None:
            raise InvalidRequestError(f"WorkGroup {name} is not found.")
        if found.get("State") == "DISABLED":
            raise InvalidRequestError(f"WorkGroup {name} is disabled.")
        configuration: dict[str, Any] = found.get("Configuration", {})
        return configuration

    def _start(self, asked: dict[str, Any], workgroup: dict[str, Any], keys: Keys) -> dict[str, Any]:
        text = asked.get("QueryString", "")
        if not text.strip() or len(text.encode()) > LONGEST:
            raise InvalidRequestError(f"QueryString must hold between 1 and {LONGEST} bytes.")
        output, is_enforced = _output(asked, workgroup)
        context = asked.get("QueryExecutionContext", {})
        query = Asked(
            text=text,
            values=tuple(asked.get("ExecutionParameters", ())),
            database=context.get("Database", "default").lower(),
            workgroup=asked.get("WorkGroup", "primary"),
            output=output,
            is_enforced=is_enforced,
            catalog=context.get("Catalog", "AwsDataCatalog"),
        )
        return {"QueryExecutionId": self._executions.start(query, keys, asked.get("ClientRequestToken", "")).id}

    def _get(self, asked: dict[str, Any]) -> dict[str, Any]:
        return {"QueryExecution": self._executions.get(asked.get("QueryExecutionId", "")).described()}

    def _stop(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._executions.stop(asked.get("QueryExecutionId", ""))
        return {}

    def _list(self, asked: dict[str, Any]) -> dict[str, Any]:
        found = self._executions.newest_first(asked.get("WorkGroup", "primary"))
        page, token = _page(found, asked, MOST_IDS)
        return {"QueryExecutionIds": page} | token

    def _batch_get(self, asked: dict[str, Any]) -> dict[str, Any]:
        ids = asked.get("QueryExecutionIds", [])
        if not 1 <= len(ids) <= MOST_IDS:
            raise InvalidRequestError(f"QueryExecutionIds must hold between 1 and {MOST_IDS} ids.")
        found, missing = [], []
        for query_id in ids:
            try:
                found.append(self._executions.get(query_id).described())
            except InvalidRequestError as error:
                missing.append({"QueryExecutionId": query_id, "ErrorCode": error.code, "ErrorMessage": str(error)})
        return {"QueryExecutions": found, "UnprocessedQueryExecutionIds": missing}

    def _results(self, asked: dict[str, Any]) -> dict[str, Any]:
        execution = self._executions.get(asked.get("QueryExecutionId", ""))
        if execution.state not in FINAL:
            raise InvalidRequestError(f"Query has not yet finished. Current state: {execution.state}")
        if execution.state != "SUCCEEDED":
            raise InvalidRequestError(f"Query did not finish successfully. Final query state: {execution.state}")
        outcome = execution.outcome
        if outcome is None:
            raise InvalidRequestError("The result is no longer held: read it from the output location.")
        header: list[list[str | None]] = [[column["Name"] for column in outcome.columns]] * outcome.has_header
        page, token = _page([*header, *outcome.rows], asked, MOST_ROWS)
        rows = [{"Data": [{} if value is None else {"VarCharValue": value} for value in row]} for row in page]
        found = {"Rows": rows, "ResultSetMetadata": {"ColumnInfo": outcome.columns}}
        return {"UpdateCount": outcome.update_count, "ResultSet": found} | token


def _read(body: bytes) -> dict[str, Any]:
    try:
        asked = json_of(body or b"{}")
    except ValueError as error:
        raise InvalidRequestError("The request is not JSON.", "SerializationException") from error
    if not isinstance(asked, dict):
        raise InvalidRequestError("The request is not a JSON object.", "SerializationException")
    return asked


def _output(asked: dict[str, Any], workgroup: dict[str, Any]) -> tuple[str, bool]:
    """Return the output location, and whether the workgroup enforces it.

    An enforced location replaces the one of the request. Raise InvalidRequestError if there is no valid location.
    """
    own = workgroup.get("ResultConfiguration", {}).get("OutputLocation", "")
    is_enforced = bool(own) and bool(workgroup.get("EnforceWorkGroupConfiguration"))
    chosen = own if is_enforced else asked.get("ResultConfiguration", {}).get("OutputLocation", "") or own
    if not chosen:
        raise InvalidRequestError(
            "No output location provided. An output location is required either through the Workgroup result"
            " configuration setting or as an API input."
        )
    try:
        place_of(chosen)
    except QueryFailedError as error:
        raise InvalidRequestError(str(error)) from error
    return f"{chosen.rstrip('/')}/", is_enforced


def _page(found: list[Any], asked: dict[str, Any], most: int) -> tuple[list[Any], dict[str, str]]:
    """Return one page and its NextToken, which is the index of the first entry of the next page."""
    token, size = asked.get("NextToken") or "0", asked.get("MaxResults") or most
    if not str(token).isdecimal() or int(token) > len(found):
        raise InvalidRequestError("The NextToken is none that was given out.")
    if not isinstance(size, int) or not 1 <= size <= most:
        raise InvalidRequestError(f"MaxResults must lie between 1 and {most}.")
    end = int(token) + size
    return found[int(token) : end], {"NextToken": str(end)} if end < len(found) else {}


def _reply(status: int, answer: dict[str, Any]) -> Reply:
    body = json.dumps(answer).encode()
    return status, {"Content-Type": "application/x-amz-json-1.1"}, body
