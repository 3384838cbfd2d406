from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING
from typing import Any

import pytest

from testbed.catalog.errors import InputError
from testbed.catalog.people import ROLES
from testbed.catalog.sso import check_config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.testbed.catalog.calling import Calling

GOOD = """# comments and the order of keys stay
version: "1.0"
default_role: viewer
mappings:
  - schema: {type: object, properties: {team: {const: data}}, required: [team]}
    roles: [analyst, viewer]
  - {schema: {type: object, required: [root]}, roles: [admin], admin: true}
"""
SET = "mutation S($c: String) { admin { setSsoConfig(config: $c) { __typename ... on SsoConfig { text }"
SET += " ... on InvalidInput { errors { path name message } } } } }"


@pytest.fixture
def sso(admin: Any) -> Iterator[Any]:
    """Yield quilt3's admin client for the SSO configuration. None is set after the test."""
    yield admin.sso_config
    admin.sso_config.set(None)


def exchanged(catalog: Calling, claims: Any) -> Any:
    """Exchange claims for roles and return status and JSON body."""
    answer = catalog.http.post(f"{catalog.registry}/api/sso/exchange", json={"claims": claims})
    return answer.status_code, answer.json()


def put(catalog: Calling, text: str | None) -> Any:
    """Set the configuration and return the union member."""
    return catalog.data(SET, {"c": text}, "test-admin")["admin"]["setSsoConfig"]


def test_a_configuration_is_kept_byte_for_byte(catalog: Calling, sso: Any) -> None:
    """A configuration is stored byte for byte, with its uploader and time. Removing it twice is no error."""
    assert sso.get() is None
    sso.set(GOOD)
    found = sso.get()
    assert (found.text, found.uploader.name) == (GOOD, "test-admin")
    assert abs(found.timestamp.timestamp() - time.time()) < 60
    assert put(catalog, GOOD + "# more\n") == {"__typename": "SsoConfig", "text": GOOD + "# more\n"}
    for _ in range(2):
        assert put(catalog, None) is None
    assert sso.get() is None


def test_claims_are_mapped_to_roles(catalog: Calling, sso: Any) -> None:
    """Claims get the roles of the first matching mapping, or the default role. Without a configuration they get 403."""
    assert exchanged(catalog, {})[0] == 403
    sso.set(GOOD)
    analyst = {"role": "analyst", "extraRoles": ["viewer"], "isAdmin": False}
    assert exchanged(catalog, {"team": "data", "root": 1}) == (200, analyst)
    assert exchanged(catalog, {"root": 1}) == (200, {"role": "admin", "extraRoles": [], "isAdmin": True})
    assert exchanged(catalog, {"team": "x"}) == (200, {"role": "viewer", "extraRoles": [], "isAdmin": False})
    sso.set(None)
    assert exchanged(catalog, {"team": "data"})[0] == 403


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"claims": "x"}', b"\xff", b"[" * 100_000, b'{"claims": {"a": NaN}}']
)
def test_a_bad_exchange_is_a_bad_request(catalog: Calling, content: bytes) -> None:
    """An exchange whose claims are not a JSON object is answered 400."""
    answer = catalog.http.post(f"{catalog.registry}/api/sso/exchange", content=content)
    assert (answer.status_code, type(answer.json()["message"])) == (400, str)


# Expanded, these aliases make 2^39 lists.
BOMB = "\n".join(["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))])
BAD_CONFIGS = {
    "aliases": (BOMB, "aliases"),
    "within itself": ("&a {version: *a}", "within itself"),
    "not YAML": ("invalid: yaml: syntax:", "not YAML"),
    "too deep": ("[" * 3_000, "50 levels"),
    "too long": ("#" * 100_001, "100001"),
    "a list": ("- a", "not a mapping"),
    "no version": (GOOD.replace('version: "1.0"', ""), "`version`"),
    "unknown member": (GOOD + "more: 1\n", "`more`"),
    "number as member": (GOOD + "1: 1\n", "`1`"),
    "other version": (GOOD.replace('"1.0"', '"2.0"'), "`2.0`"),
    "unknown default": (GOOD.replace("default_role: viewer", "default_role: king"), "`king`"),
    "unknown role": (GOOD.replace("[admin]", "[king]"), "`king`"),
    "role is a list": (GOOD.replace("[admin]", "[[admin]]"), "`['admin']`"),
    "no roles": (GOOD.replace("[admin]", "[]"), "`roles`"),
    "mappings is text": ('version: "1.0"\ndefault_role: viewer\nmappings: x\n', "`mappings`"),
    "mapping is text": ('version: "1.0"\ndefault_role: viewer\nmappings: [x]\n', "a mapping"),
    "schema is text": (GOOD.replace("{type: object, required: [root]}", "x"), "`schema`"),
    "schema is none": (GOOD.replace("required: [root]", "required: 5"), "not valid"),
    "schema has a date": (GOOD.replace("required: [root]", "const: 2024-01-01"), "not JSON"),
    "reference": (GOOD.replace("required: [root]", '"$ref": x'), "`$ref`"),
    "admin is text": (GOOD.replace("admin: true", "admin: often"), "`admin`"),
}


@pytest.mark.parametrize("kind", sorted(BAD_CONFIGS))
def test_a_bad_configuration_is_refused(kind: str) -> None:
    """An invalid configuration is refused with a message that names the fault."""
    text, message = BAD_CONFIGS[kind]
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        check_config(text, frozenset(ROLES))
    assert (caught.value.path, caught.value.name) == ("config", "InvalidConfig")


def test_a_bad_configuration_changes_nothing(catalog: Calling, sso: Any) -> None:
    """A refused configuration leaves text and time of the current one unchanged."""
    sso.set(GOOD)
    before = sso.get()
    for text, message in BAD_CONFIGS["unknown role"], BAD_CONFIGS["not YAML"], BAD_CONFIGS["aliases"]:
        (error,) = put(catalog, text)["errors"]
        assert (error["path"], error["name"], message in error["message"]) == ("config", "InvalidConfig", True), error
    assert sso.get() == before


def test_a_configuration_outlives_its_uploader(catalog: Calling, sso: Any) -> None:
    """A configuration outlives its uploader, whose name is kept."""
    sso.set(GOOD)
    catalog.sql("UPDATE settings SET author = 'gone' WHERE name = 'sso-config'")
    assert (sso.get().text, sso.get().uploader.name) == (GOOD, "gone")


def test_only_admins_see_and_set_the_configuration(catalog: Calling) -> None:
    """Reading and setting the configuration is forbidden to non-admins."""
    assert catalog.post(SET, {"c": GOOD}).status_code == 403
    assert catalog.post("{ admin { ssoConfig { text } } }").status_code == 403
