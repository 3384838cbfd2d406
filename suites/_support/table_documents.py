"""The catalog's mutations of Tabulator tables: at the top level, and their deprecated twins under `admin`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

if TYPE_CHECKING:
    from nightproof.quilt import QuiltOps

ARMS: Final = """{ __typename
  ... on BucketConfig { name tabulatorTables { name config } }
  ... on InvalidInput { errors { path name } }
  ... on OperationError { name }
}"""
LIST: Final = "query List($b: String!) { bucketConfig(name: $b) { tabulatorTables { name config } } }"
SET: Final = "bucketSetTabulatorTable(bucketName: $b, tableName: $t, config: $c)"
RENAME: Final = "bucketRenameTabulatorTable(bucketName: $b, tableName: $t, newTableName: $n)"
SET_HEAD: Final = "mutation Set($b: String!, $t: String!, $c: String)"
RENAME_HEAD: Final = "mutation Rename($b: String!, $t: String!, $n: String!)"


@dataclass(frozen=True)
class Path:
    """One of the two sets of mutations, used as the user of a client."""

    ops: QuiltOps
    is_twin: bool

    def tables(self, bucket: str) -> dict[str, str]:
        """Return the configurations of a bucket's tables by name."""
        found = self._asked(LIST, {"b": bucket})["bucketConfig"]["tabulatorTables"]
        return {table["name"]: table["config"] for table in found}

    def set(self, bucket: str, table: str, config: str | None) -> Any:
        """Set a table's configuration, or delete the table if None; return the member of the result union."""
        return self._mutated(SET_HEAD, SET, {"b": bucket, "t": table, "c": config})

    def rename(self, bucket: str, table: str, name: str) -> Any:
        """Rename a table; return the member of the result union."""
        return self._mutated(RENAME_HEAD, RENAME, {"b": bucket, "t": table, "n": name})

    def _mutated(self, head: str, field: str, variables: dict[str, Any]) -> Any:
        if not self.is_twin:
            return self._asked(f"{head} {{ answer: {field} {ARMS} }}", variables)["answer"]
        return self._asked(f"{head} {{ admin {{ answer: {field} {ARMS} }} }}", variables)["admin"]["answer"]

    def _asked(self, document: str, variables: dict[str, Any]) -> Any:
        body = self.ops.execute_graphql_query(document, variables)
        if "errors" in body:
            raise ValueError(f"The catalog refused the document: {body['errors']}")
        return body["data"]
