"""Calls to the registry for admin operations, for the two backends side by side.

`quilt3` calls the named function of the library; `platform` sends the document. Both take the same arguments, in
Python's spelling for `quilt3` and in the wire's for `platform`. Both read the same path of the answer through the same
shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any
from typing import Final
from typing import Optional

from pydantic import Field
from pydantic import create_model

from nightproof.quilt import admin_answers as answers
from nightproof.quilt.answers import Answer
from nightproof.quilt.platform_answers import InvalidInput
from nightproof.quilt.platform_answers import OperationError


class AbsentError(Exception):
    """The subject of a call does not exist."""


class RefusedError(Exception):
    """A call was answered with an error member of its union."""

    def __init__(self, arm: InvalidInput | OperationError) -> None:
        super().__init__(arm.typename)
        self.arm = arm


@dataclass(frozen=True, slots=True)
class Call:
    """One call to either backend; a step of `path` that ends in `?` may be null."""

    function: str
    document: str
    path: str
    leaf: Any
    twin: str = ""
    """The path in quilt3's own document, where that asks elsewhere."""

    @property
    def name(self) -> str:
        """Return the operation's name in the document."""
        return self.document.split("(", 1)[0].split("{", 1)[0].split()[1]

    def shape(self, *, twin: bool = False) -> type[Answer]:
        """Return the shape of the data; `twin` selects that of quilt3's own document."""
        return _below(self.twin if twin and self.twin else self.path, self.leaf)

    def result(self, data: Any) -> Any:
        """Return the result in the data, or None if only the last step is null.

        Raise AbsentError if an earlier step is null, RefusedError for an error member.
        """
        for step in self.path.split("."):
            if data is None:
                raise AbsentError(step)
            data = data.inner
        if isinstance(data, InvalidInput | OperationError):
            raise RefusedError(data)
        return data


@cache
def _below(path: str, leaf: Any) -> type[Answer]:
    for step in reversed(path.split(".")):
        inner: Any = Optional[leaf] if step.endswith("?") else leaf  # noqa: UP045 - a value, and `|` knows no Annotated
        leaf = create_model("Data", __base__=Answer, inner=(inner, Field(alias=step.removesuffix("?"))))
    shape: type[Answer] = leaf
    return shape


ROLE: Final = "__typename ... on ManagedRole { id name arn } ... on UnmanagedRole { id name arn }"
USER: Final = (
    f"name email dateJoined lastLogin isActive isAdmin isSsoOnly isService role {{ {ROLE} }} extraRoles {{ {ROLE} }}"
)
INVALID: Final = "... on InvalidInput { errors { path message name } }"
FAILED: Final = "... on OperationError { message name context }"
ARMS: Final = f"{{ __typename {INVALID} {FAILED} }}"
USER_ARMS: Final = f"{{ __typename ... on User {{ {USER} }} {INVALID} {FAILED} }}"
SSO: Final = f"text timestamp uploader {{ {USER} }}"
KEY: Final = "id name fingerprint createdAt expiresAt lastUsedAt userEmail status"


def _change(function: str, name: str, field: str, declared: str = "", given: str = "", arms: str = USER_ARMS) -> Call:
    """Return the call that changes one user."""
    document = (
        f"mutation {name}($name: String!{declared})"
        f" {{ admin {{ user {{ mutate(name: $name) {{ {field}{given} {arms} }} }} }} }}"
    )
    leaf = answers.UserResult if arms == USER_ARMS else answers.OperationResult
    return Call(f"admin.users.{function}", document, f"admin.user.mutate?.{field}", leaf)


LIST_USERS: Final = Call(
    "admin.users.list",
    f"query ListUsers {{ admin {{ user {{ list {{ {USER} }} }} }} }}",
    "admin.user.list",
    list[answers.User],
)
GET_USER: Final = Call(
    "admin.users.get",
    f"query GetUser($name: String!) {{ admin {{ user {{ get(name: $name) {{ {USER} }} }} }} }}",
    "admin.user.get?",
    answers.User,
)
CREATE_USER: Final = Call(
    "admin.users.create",
    "mutation CreateUser($name: String!, $email: String!, $role: String!, $extraRoles: [String!]) { admin { user {"
    f" create(input: {{name: $name, email: $email, role: $role, extraRoles: $extraRoles}}) {USER_ARMS} }} }} }}",
    "admin.user.create",
    answers.UserResult,
)
DELETE_USER: Final = _change("delete", "DeleteUser", "delete", arms=ARMS)
RESET_PASSWORD: Final = _change("reset_password", "ResetUserPassword", "resetPassword", arms=ARMS)
SET_EMAIL: Final = _change("set_email", "SetUserEmail", "setEmail", ", $email: String!", "(email: $email)")
SET_ADMIN: Final = _change("set_admin", "SetUserAdmin", "setAdmin", ", $admin: Boolean!", "(admin: $admin)")
SET_ACTIVE: Final = _change("set_active", "SetUserActive", "setActive", ", $active: Boolean!", "(active: $active)")
SET_ROLE: Final = _change(
    "set_role",
    "SetUserRole",
    "setRole",
    ", $role: String!, $extraRoles: [String!], $append: Boolean!",
    "(role: $role, extraRoles: $extraRoles, append: $append)",
)
ADD_ROLES: Final = _change("add_roles", "AddUserRoles", "addRoles", ", $roles: [String!]!", "(roles: $roles)")
REMOVE_ROLES: Final = _change(
    "remove_roles",
    "RemoveUserRoles",
    "removeRoles",
    ", $roles: [String!]!, $fallback: String",
    "(roles: $roles, fallback: $fallback)",
)
LIST_ROLES: Final = Call("admin.roles.list", f"query ListRoles {{ roles {{ {ROLE} }} }}", "roles", list[answers.Role])
GET_SSO: Final = Call(
    "admin.sso_config.get",
    f"query GetSsoConfig {{ admin {{ ssoConfig {{ {SSO} }} }} }}",
    "admin.ssoConfig?",
    answers.SsoConfig,
)
SET_SSO: Final = Call(
    "admin.sso_config.set",
    "mutation SetSsoConfig($config: String) { admin { setSsoConfig(config: $config)"
    f" {{ __typename ... on SsoConfig {{ {SSO} }} {INVALID} {FAILED} }} }} }}",
    "admin.setSsoConfig?",
    answers.SsoResult,
)
LIST_TABLES: Final = Call(
    "admin.tabulator.list_tables",
    "query ListTabulatorTables($bucketName: String!) { bucketConfig(name: $bucketName) {"
    " tabulatorTables { name config } } }",
    "bucketConfig?.tabulatorTables",
    list[answers.Table],
)
SET_TABLE: Final = Call(
    "admin.tabulator.set_table",
    "mutation SetTabulatorTable($bucketName: String!, $tableName: String!, $config: String) {"
    f" bucketSetTabulatorTable(bucketName: $bucketName, tableName: $tableName, config: $config) {ARMS} }}",
    "bucketSetTabulatorTable",
    answers.TableResult,
    twin="admin.bucketSetTabulatorTable",
)
RENAME_TABLE: Final = Call(
    "admin.tabulator.rename_table",
    "mutation RenameTabulatorTable($bucketName: String!, $tableName: String!, $newTableName: String!) {"
    " bucketRenameTabulatorTable(bucketName: $bucketName, tableName: $tableName, newTableName: $newTableName)"
    f" {ARMS} }}",
    "bucketRenameTabulatorTable",
    answers.TableResult,
    twin="admin.bucketRenameTabulatorTable",
)
GET_OPEN_QUERY: Final = Call(
    "admin.tabulator.get_open_query",
    "query GetOpenQueryStatus { admin { tabulatorOpenQuery } }",
    "admin.tabulatorOpenQuery",
    bool,
)
SET_OPEN_QUERY: Final = Call(
    "admin.tabulator.set_open_query",
    "mutation SetOpenQuery($enabled: Boolean!) { admin { setTabulatorOpenQuery(enabled: $enabled) {"
    " tabulatorOpenQuery } } }",
    "admin.setTabulatorOpenQuery.tabulatorOpenQuery",
    bool,
)
LIST_KEYS: Final = Call(
    "admin.api_keys.list",
    "query ListApiKeys($email: String, $keyName: String, $fingerprint: String, $status: APIKeyStatus) {"
    " admin { apiKeys { list(email: $email, name: $keyName, fingerprint: $fingerprint, status: $status)"
    f" {{ {KEY} }} }} }} }}",
    "admin.apiKeys.list",
    list[answers.ApiKey],
)
GET_KEY: Final = Call(
    "admin.api_keys.get",
    f"query GetApiKey($id: ID!) {{ admin {{ apiKeys {{ get(id: $id) {{ {KEY} }} }} }} }}",
    "admin.apiKeys.get?",
    answers.ApiKey,
)
REVOKE_KEY: Final = Call(
    "admin.api_keys.revoke",
    f"mutation RevokeApiKey($id: ID!) {{ admin {{ apiKeys {{ revoke(id: $id) {{ __typename {INVALID} }} }} }} }}",
    "admin.apiKeys.revoke",
    answers.RevokeKeyResult,
)
CREATE_KEY: Final = Call(
    "api_keys.create",
    "mutation CreateApiKey($name: String!, $expiresInDays: Int!) {"
    " apiKeyCreate(input: {name: $name, expiresInDays: $expiresInDays})"
    f" {{ __typename ... on APIKeyCreated {{ apiKey {{ {KEY} }} secret }} {INVALID} }} }}",
    "apiKeyCreate",
    answers.CreateKeyResult,
)
