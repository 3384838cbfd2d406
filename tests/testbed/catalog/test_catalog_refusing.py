"""The fault `operation-error`: every field that may return an OperationError can be made to.

It then changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import pytest
from graphql import GraphQLObjectType
from graphql import GraphQLUnionType
from graphql import get_named_type

from testbed.catalog.schema import NEW
from tests.testbed.catalog.calling import WORK

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.testbed.catalog.calling import Calling

FAILED = "{ __typename ... on OperationError { name message } }"
ON_USER = 'mutation { admin { user { mutate(name: "test-service") { found: %s } } } }'
ON_ADMIN = "mutation { admin { found: %s } }"
SEARCH = '{ searchPackages(buckets: ["quilt-mcp-test-work"]) { ... on PackagesSearchResultSet { found: %s } } }'
POLICY = 'title: "x", permissions: [], roles: []'
FOREIGN = 'title: "x", arn: "x", roles: []'
PUSH = 'params: {bucket: "quilt-mcp-test-work", name: "refusing/made"}'
SOURCE = 'src: {bucket: "quilt-mcp-test-work", name: "a/b", hash: "x"}'
TABLE = 'bucketName: "quilt-mcp-test-work", tableName: "refusing"'
FIELDS = {
    "PackagesSearchResultSet.firstPage": SEARCH % "firstPage",
    "Query.searchPackages": "{ found: searchPackages }",
    "Query.searchObjects": "{ found: searchObjects }",
    "Query.searchMorePackages": '{ found: searchMorePackages(after: "x") }',
    "Query.searchMoreObjects": '{ found: searchMoreObjects(after: "x") }',
    "MutateUserAdminMutations.delete": ON_USER % "delete",
    "MutateUserAdminMutations.setEmail": ON_USER % 'setEmail(email: "refusing@test.com")',
    "MutateUserAdminMutations.setRole": ON_USER % 'setRole(role: "viewer")',
    "MutateUserAdminMutations.addRoles": ON_USER % 'addRoles(roles: ["viewer"])',
    "MutateUserAdminMutations.removeRoles": ON_USER % 'removeRoles(roles: ["viewer"])',
    "MutateUserAdminMutations.setAdmin": ON_USER % "setAdmin(admin: true)",
    "MutateUserAdminMutations.setActive": ON_USER % "setActive(active: false)",
    "MutateUserAdminMutations.resetPassword": ON_USER % "resetPassword",
    "UserAdminMutations.create": "mutation { admin { user {"
    ' found: create(input: {name: "refusing", email: "r@test.com", role: "viewer"}) } } }',
    "PackagerAdminMutations.toggleEventRule": "mutation { admin { packager {"
    ' found: toggleEventRule(name: "ro-crate", enabled: true) } } }',
    "AdminMutations.setSsoConfig": ON_ADMIN % 'setSsoConfig(config: "x")',
    "AdminMutations.bucketSetTabulatorTable": ON_ADMIN % f"bucketSetTabulatorTable({TABLE})",
    "AdminMutations.bucketRenameTabulatorTable": ON_ADMIN % f'bucketRenameTabulatorTable({TABLE}, newTableName: "y")',
    "Mutation.policyCreateManaged": f"mutation {{ found: policyCreateManaged(input: {{{POLICY}}}) }}",
    "Mutation.policyCreateUnmanaged": f"mutation {{ found: policyCreateUnmanaged(input: {{{FOREIGN}}}) }}",
    "Mutation.policyUpdateManaged": f'mutation {{ found: policyUpdateManaged(id: "x", input: {{{POLICY}}}) }}',
    "Mutation.policyUpdateUnmanaged": f'mutation {{ found: policyUpdateUnmanaged(id: "x", input: {{{FOREIGN}}}) }}',
    "Mutation.policyDelete": 'mutation { found: policyDelete(id: "policy-analyst") }',
    "Mutation.bucketSetTabulatorTable": f"mutation {{ found: bucketSetTabulatorTable({TABLE}) }}",
    "Mutation.bucketRenameTabulatorTable": "mutation {"
    f' found: bucketRenameTabulatorTable({TABLE}, newTableName: "y") }}',
    "Mutation.restoreObject": "mutation {"
    ' found: restoreObject(bucket: "quilt-mcp-test-work", key: "x", tier: BULK, days: 1) }',
    "Mutation.switchRole": 'mutation { found: switchRole(roleName: "admin") }',
    "Mutation.packageConstruct": f"mutation {{ found: packageConstruct({PUSH}, src: {{entries: []}}) }}",
    "Mutation.packagePromote": f"mutation {{ found: packagePromote({PUSH}, {SOURCE}) }}",
    "Mutation.packageRevisionDelete": "mutation {"
    ' found: packageRevisionDelete(bucket: "quilt-mcp-test-work", name: "a/b", hash: "x") }',
    "Mutation.browsingSessionCreate": 'mutation { found: browsingSessionCreate(scope: "x") }',
    "Mutation.browsingSessionRefresh": 'mutation { found: browsingSessionRefresh(id: "x") }',
    "Mutation.browsingSessionDispose": 'mutation { found: browsingSessionDispose(id: "x") }',
}


def failing() -> set[str]:
    """Return the fields whose type includes OperationError."""
    found = set()
    for kind in NEW.type_map.values():
        for name, field in kind.fields.items() if isinstance(kind, GraphQLObjectType) else ():
            union = get_named_type(field.type)
            if isinstance(union, GraphQLUnionType) and any(arm.name == "OperationError" for arm in union.types):
                found.add(f"{kind.name}.{name}")
    return found


def test_every_field_that_may_fail_is_tried() -> None:
    """Every field that may return an OperationError has a document in `FIELDS`."""
    assert failing() == set(FIELDS)


def found_in(data: Any) -> Any:
    """Return the value of the nested field `found`."""
    while "found" not in data:
        (data,) = data.values()
    return data["found"]


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_each_field_can_be_made_to_fail(catalog: Calling, switch: Callable[..., None], name: str) -> None:
    """Each field named by its type returns the injected OperationError with the given code."""
    catalog.package("refusing/there", {"a": b"1"})
    catalog.await_search("refusing", bool)
    head, _, tail = FIELDS[name].partition("found: ")
    depth = head.count("{") - head.count("}")
    field = tail[: len(tail) - depth].rstrip(" }") if depth else tail
    document = f"{head}found: {field} {FAILED} {'}' * depth}"
    switch("operation-error", operation=name, times=1, code="Overloaded")
    found = found_in(catalog.data(document, user="test-admin"))
    assert found == {
        "__typename": "OperationError",
        "name": "Overloaded",
        "message": "Injected by the control surface.",
    }


def test_what_fails_does_nothing_and_then_works(catalog: Calling, switch: Callable[..., None]) -> None:
    """An injected failure changes nothing, and the field works again after `times` failures."""
    push = f'mutation {{ packageConstruct(params: {{bucket: "{WORK}", name: "refusing/once"}}, src: {{entries: []}}) '
    push += "{ __typename ... on OperationError { name } } }"
    look = f'{{ package(bucket: "{WORK}", name: "refusing/once") {{ name }} }}'
    switch("operation-error", operation="packageConstruct", user="test-user", times=1)
    assert catalog.data(push)["packageConstruct"] == {"__typename": "OperationError", "name": "Injected"}
    assert catalog.data(look)["package"] is None
    assert catalog.data(push)["packageConstruct"] == {"__typename": "PackagePushSuccess"}
    assert catalog.data(look)["package"] == {"name": "refusing/once"}


def test_nobody_else_is_met(catalog: Calling, switch: Callable[..., None]) -> None:
    """An injected failure does not affect other users, other fields or fields without OperationError."""
    switch("operation-error", operation="searchPackages", user="test-admin")
    search = "{ searchPackages(buckets: []) { __typename } }"
    assert catalog.data(search)["searchPackages"]["__typename"] != "OperationError"
    assert catalog.data("{ searchObjects { __typename } }", user="test-admin")["searchObjects"]["__typename"] != (
        "OperationError"
    )
    switch("operation-error", operation="*", user="test-admin")
    keys = 'mutation { apiKeyRevoke(id: "x") { __typename } }'
    assert catalog.data(keys, user="test-admin")["apiKeyRevoke"]["__typename"] == "InvalidInput"
