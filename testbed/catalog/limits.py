"""Limits of a GraphQL request: how deep, how large and how long it may be."""

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
    """A request took longer than it may; no Exception, so that no field's error handling goes on after it."""


def check(document: DocumentNode) -> None:
    """Raise GraphQLError for a document that is too deep or too large; fragments count wherever they are used."""
    measure = _Measure(document)
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            depth, fields = measure.of(node.selection_set)
            if depth > MAX_DEPTH:
                raise GraphQLError(f"The document is {depth} levels deep, {MAX_DEPTH} are allowed.")
            if fields > MAX_FIELDS:
                raise GraphQLError(f"The document asks for {fields} fields, {MAX_FIELDS} are allowed.")


class _Measure:
    """Measures selections; a fragment once, however often it is used."""

    def __init__(self, document: DocumentNode) -> None:
        found = [node for node in document.definitions if isinstance(node, FragmentDefinitionNode)]
        self._fragments = {node.name.value: node.selection_set for node in found}
        self._known: dict[str, tuple[int, int]] = {}

    def of(self, selected: SelectionSetNode) -> tuple[int, int]:
        """Give depth and number of fields."""
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
            self._known[name] = (0, 0)  # one that uses itself, or is not there, is the validation's to refuse
            self._known[name] = self.of(self._fragments[name]) if name in self._fragments else (0, 0)
        return self._known[name]


class Timed(ExecutionContext):
    """Executes until the request's time is over."""

    def execute_field(self, *args: Any) -> Any:
        """Execute a field in time."""
        if time.monotonic() > self.context_value.ends:
            raise TimedOutError
        return super().execute_field(*args)
