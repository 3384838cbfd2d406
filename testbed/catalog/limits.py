"""The limits of a GraphQL request: depth, size and time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from graphql import DocumentNode
from graphql import ExecutionContext
from graphql import FieldNode
from graphql import FragmentDefinitionNode
from graphql import FragmentSpreadNode
from graphql import GraphQLError
from graphql import InlineFragmentNode
from graphql import OperationDefinitionNode

if TYPE_CHECKING:
    from graphql import SelectionSetNode

MAX_BODY: Final = 10 * 1024 * 1024
MAX_TOKENS: Final = 20_000
MAX_DEPTH: Final = 20
MAX_FIELDS: Final = 2_000
MAX_SECONDS: Final = 120.0


class TimedOutError(BaseException):
    """A request exceeded its time limit; a BaseException, so that field error handling does not swallow it."""


def check(document: DocumentNode) -> None:
    """Raise GraphQLError for a document that is too deep or too large; a fragment counts at each use."""
    measure = _Measure(document)
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            depth, fields = measure.of(node.selection_set)
            if depth > MAX_DEPTH:
                raise GraphQLError(f"The document is {depth} levels deep, {MAX_DEPTH} are allowed.")
            if fields > MAX_FIELDS:
                raise GraphQLError(f"The document asks for {fields} fields, {MAX_FIELDS} are allowed.")


class _Measure:
    """Measures selections; caches each fragment, because nested fragments grow exponentially."""

    def __init__(self, document: DocumentNode) -> None:
        found = [node for node in document.definitions if isinstance(node, FragmentDefinitionNode)]
        self._fragments = {node.name.value: node.selection_set for node in found}
        self._known: dict[str, tuple[int, int]] = {}

    def of(self, selected: SelectionSetNode) -> tuple[int, int]:
        """Return depth and number of fields of a selection."""
        depth, fields = 0, 0
        for node in selected.selections:
            below, inside = 0, 0
            if isinstance(node, FieldNode):
                below, inside = self.of(node.selection_set) if node.selection_set else (0, 0)
                below, inside = below + 1, inside + 1
            elif isinstance(node, InlineFragmentNode):
                below, inside = self.of(node.selection_set)
            elif isinstance(node, FragmentSpreadNode):
                below, inside = self._fragment(node.name.value)
            depth, fields = max(depth, below), fields + inside
        return depth, fields

    def _fragment(self, name: str) -> tuple[int, int]:
        if name not in self._known:
            self._known[name] = (0, 0)  # ends recursion: validation refuses cycles and unknown names
            self._known[name] = self.of(self._fragments[name]) if name in self._fragments else (0, 0)
        return self._known[name]


class Timed(ExecutionContext):
    """An execution context that stops at the request's deadline."""

    def execute_field(self, *args: Any) -> Any:
        """Execute a field; raise TimedOutError after the deadline."""
        if time.monotonic() > self.context_value.ends:
            raise TimedOutError
        return super().execute_field(*args)
