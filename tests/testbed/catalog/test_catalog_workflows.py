from __future__ import annotations

import json
from typing import TYPE_CHECKING
from typing import Any

import pytest

from tests.testbed.catalog.calling import SCRATCH

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    from tests.testbed.catalog.calling import Calling

CONFIG = ".quilt/workflows/config.yml"
SCHEMA = "workflows/schema.json"
PLAIN = 'version: "1"\ndefault_workflow: alpha\nworkflows: {alpha: {name: Alpha}}\n'
OPTIONAL = 'version: "1.1.0"\nis_workflow_required: false\nworkflows: {alpha: {name: Alpha}}\n'
WITH_SCHEMA = (
    'version: {base: "1.1"}\ndefault_workflow: alpha\n'
    "workflows: {alpha: {name: Alpha, %s: rules}}\n"
    f"schemas: {{rules: {{url: s3://{SCRATCH}/{SCHEMA}}}}}\n"
)


@pytest.fixture
def configure(catalog: Calling) -> Iterator[Callable[..., None]]:
    """Yield a function that configures the scratch registry. The configuration is deleted after the test."""

    def put(config: str, schema: Any = None) -> None:
        catalog.put_object(CONFIG, config.encode())
        if schema is not None:
            catalog.put_object(SCHEMA, schema if isinstance(schema, bytes) else json.dumps(schema).encode())

    yield put
    for key in (CONFIG, SCHEMA):
        catalog.s3.delete_object(Bucket=SCRATCH, Key=key)


def pushed(catalog: Calling, name: str = "flow/work", **params: Any) -> Any:
    """Construct a package of one two-byte file in the scratch registry and return the union member."""
    return catalog.construct(name, {"a.txt": catalog.put_object("workflows/a", b"12")}, bucket=SCRATCH, **params)


def refusal(arm: Any) -> str:
    """Return the message of a refused workflow."""
    assert arm["__typename"] == "InvalidInput", arm
    (error,) = arm["errors"]
    assert (error["path"], error["name"]) == ("params.workflow", "WorkflowInvalid")
    return str(error["message"])


def test_the_default_workflow_is_noted_in_the_manifest(catalog: Calling, configure: Callable[..., None]) -> None:
    """A construct without a workflow uses the default one, which the manifest records with its configuration."""
    configure(PLAIN)
    expected = {"id": "alpha", "config": f"s3://{SCRATCH}/{CONFIG}?versionId=null"}
    arm = pushed(catalog)
    assert arm["revision"]["workflow"] == expected
    stored = catalog.s3.get_object(Bucket=SCRATCH, Key=f".quilt/packages/{arm['revision']['hash']}")["Body"].read()
    assert json.loads(stored.splitlines()[0])["workflow"] == expected
    assert pushed(catalog, workflow="alpha")["revision"]["hash"] == arm["revision"]["hash"]


def test_no_workflow_is_refused_where_one_is_required(catalog: Calling, configure: Callable[..., None]) -> None:
    """An explicit null workflow is refused unless the configuration makes workflows optional."""
    configure(PLAIN)
    assert "requires a workflow" in refusal(pushed(catalog, workflow=None))
    configure(OPTIONAL)
    assert pushed(catalog)["revision"]["workflow"]["id"] is None


@pytest.mark.parametrize("workflow", ["alpha", ""])
def test_a_workflow_needs_a_configuration(catalog: Calling, workflow: str) -> None:
    """A workflow is refused in a registry without a configuration."""
    assert "configures no workflow" in refusal(pushed(catalog, workflow=workflow))
    assert pushed(catalog, workflow=None)["revision"]["workflow"] is None


def test_an_unknown_workflow_is_refused_with_the_known_ones(catalog: Calling, configure: Callable[..., None]) -> None:
    """An unknown workflow is refused with a list of the known ones."""
    configure(PLAIN)
    assert "no workflow `beta`: use one of alpha" in refusal(pushed(catalog, workflow="beta"))


def test_a_workflow_may_require_a_message_and_a_name(catalog: Calling, configure: Callable[..., None]) -> None:
    """A workflow's rules for message and package name are checked before anything is written."""
    configure(PLAIN.replace("name: Alpha", "name: Alpha, is_message_required: true, handle_pattern: ^flow/"))
    assert "requires a message" in refusal(pushed(catalog, message=""))
    assert "does not match" in refusal(pushed(catalog, "other/work", message="m"))
    assert catalog.s3.list_objects_v2(Bucket=SCRATCH, Prefix=".quilt/named_packages/other/")["KeyCount"] == 0
    assert pushed(catalog, message="m")["__typename"] == "PackagePushSuccess"


def test_metadata_must_meet_its_schema(catalog: Calling, configure: Callable[..., None]) -> None:
    """Metadata must meet the workflow's schema, which the manifest records. Missing metadata is an empty object."""
    configure(WITH_SCHEMA % "metadata_schema", {"type": "object", "required": ["d"]})
    assert "'d' is a required property" in refusal(pushed(catalog))
    assert "is not met" in refusal(pushed(catalog, userMeta={"e": 1}))
    arm = pushed(catalog, userMeta={"d": 1})
    stored = catalog.s3.get_object(Bucket=SCRATCH, Key=f".quilt/packages/{arm['revision']['hash']}")["Body"].read()
    noted = json.loads(stored.splitlines()[0])["workflow"]["schemas"]
    assert noted == {"rules": f"s3://{SCRATCH}/{SCHEMA}?versionId=null"}


def test_entries_must_meet_their_schema(catalog: Calling, configure: Callable[..., None]) -> None:
    """Entries must meet the workflow's schema, which sees logical key, size and metadata."""
    entry = {"properties": {"size": {"maximum": 1}}, "required": ["logical_key", "size", "meta"]}
    configure(WITH_SCHEMA % "entries_schema", {"$schema": "http://json-schema.org/draft-07/schema#", "items": entry})
    assert "2 is greater than the maximum of 1" in refusal(pushed(catalog))


BOMB = "\n".join(["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))])
BAD_CONFIGS = {
    "aliases": (BOMB, "aliases"),
    "too deep": ("[" * 3_000, "50 levels"),
    "not YAML": ("a: b: c:", "not YAML"),
    "a list": ("[]", "no `workflows`"),
    "no workflow": ('version: "1"\nworkflows: {}', "no `workflows`"),
    "without a name": ('version: "1"\nworkflows: {a: {}}', "without `name`"),
    "future version": (PLAIN.replace('"1"', '"2"'), "`2`"),
    "version is a number": (PLAIN.replace('"1"', "1"), "`1`"),
    "no version": (PLAIN.replace('version: "1"', ""), "`None`"),
    "bad pattern": (PLAIN.replace("name: Alpha", "name: A, handle_pattern: '('"), "not a regular expression"),
    "pattern is a number": (PLAIN.replace("name: Alpha", "name: A, handle_pattern: 5"), "not a regular expression"),
    "undeclared schema": (PLAIN.replace("name: Alpha", "name: A, metadata_schema: x"), "cannot be loaded"),
    "schemas is a list": (
        PLAIN.replace("name: Alpha", "name: A, metadata_schema: x") + "schemas: [x]",
        "cannot be loaded",
    ),
    "missing schema object": (WITH_SCHEMA % "metadata_schema", "cannot be loaded"),
}


@pytest.mark.parametrize("kind", sorted(BAD_CONFIGS))
def test_a_bad_configuration_refuses_every_push(catalog: Calling, configure: Callable[..., None], kind: str) -> None:
    """An invalid workflow configuration refuses every push with the reason."""
    config, expected = BAD_CONFIGS[kind]
    configure(config)
    assert expected in refusal(pushed(catalog))


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (b"{", "cannot be used"),
        (b"[" * 100_000, "cannot be used"),
        ({"$ref": "x"}, "`$ref` is not supported"),
        ({"$schema": "http://json-schema.org/draft-04/schema#"}, "not of draft-07"),
        ({"type": 1}, "is not valid"),
    ],
    ids=["not JSON", "too deep", "reference", "draft-04", "no schema"],
)
def test_a_bad_schema_refuses_every_push(
    catalog: Calling, configure: Callable[..., None], schema: Any, expected: str
) -> None:
    """An invalid schema refuses every push, and is not treated as one that accepts everything."""
    configure(WITH_SCHEMA % "metadata_schema", schema)
    assert expected in refusal(pushed(catalog))
