"""Workflows: a registry's configured rules for every push, applied as quilt3 applies them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from typing import NoReturn

import jsonschema  # type: ignore[import-untyped]  # ships no types
from botocore.exceptions import ClientError

from testbed.catalog.errors import InputError
from testbed.catalog.manifest import physical_key
from testbed.catalog.manifest import split_physical_key
from testbed.parsing import yaml_of

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

CONFIG: Final = ".quilt/workflows/config.yml"
DRAFT: Final = "http://json-schema.org/draft-07/schema#"
UNNAMED: Final = object()
SUPPORTED: Final = re.compile(r"1(\.[01](\.0)?)?")


def check(s3: S3Client, params: dict[str, Any], entries: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the manifest's workflow record, or None; raise InputError for a push that breaks the rules.

    `params` without `workflow` uses the default workflow; with null it uses none, as in quilt3.
    """
    bucket, named = params["bucket"], params.get("workflow", UNNAMED)
    found = _read(s3, bucket, CONFIG, None)
    if found is None:
        if named in {UNNAMED, None}:
            return None
        _refuse(f"The registry `{bucket}` configures no workflow, so `{named}` cannot be used.")
    config, note = _parsed(found[0]), {"config": found[1]}
    chosen = config.get("default_workflow") if named is UNNAMED else named
    workflow = _chosen(config, chosen)
    loaded: dict[str, str] = {}
    _check_message_and_name(workflow, params)
    for rule, value in (("metadata_schema", params.get("userMeta") or {}), ("entries_schema", _shown(entries))):
        if name := workflow.get(rule):
            _validate(_schema(s3, config, str(name), loaded), str(name), value)
    return {"id": chosen} | note | ({"schemas": loaded} if loaded else {})


def _refuse(message: str) -> NoReturn:
    raise InputError("params.workflow", "WorkflowInvalid", message)


def _read(s3: S3Client, bucket: str, key: str, version: str | None) -> tuple[bytes, str] | None:
    """Return an object's content and the URI of its version, or None if it does not exist."""
    extra: Any = {"VersionId": version} if version and version != "null" else {}
    try:
        found = s3.get_object(Bucket=bucket, Key=key, **extra)
    except ClientError as error:
        if error.response["Error"]["Code"] in {"NoSuchKey", "NoSuchVersion", "NoSuchBucket", "404"}:
            return None
        raise
    return found["Body"].read(), physical_key(bucket, key, found.get("VersionId", "null"))


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        config = yaml_of(body.decode())
    except UnicodeDecodeError:
        _refuse("The registry's workflow configuration is not YAML.")
    except ValueError as error:
        _refuse(f"The registry's workflow configuration cannot be used: {error}.")
    if not isinstance(config, dict) or not isinstance(config.get("workflows"), dict) or not config["workflows"]:
        _refuse("The registry's workflow configuration has no `workflows`.")
    if not all(isinstance(workflow, dict) and workflow.get("name") for workflow in config["workflows"].values()):
        _refuse("The registry's workflow configuration has a workflow without `name`.")
    version = config.get("version")
    base = version.get("base") if isinstance(version, dict) else version
    if not isinstance(base, str) or not SUPPORTED.fullmatch(base):
        _refuse(f'The version `{base}` of the registry\'s workflow configuration is not supported: use "1".')
    return config


def _chosen(config: dict[str, Any], name: str | None) -> dict[str, Any]:
    if name is None:
        if config.get("is_workflow_required", True):
            _refuse("The registry requires a workflow: name one.")
        return {}
    if name not in config["workflows"]:
        _refuse(f"The registry has no workflow `{name}`: use one of {', '.join(sorted(config['workflows']))}.")
    chosen: dict[str, Any] = config["workflows"][name]
    return chosen


def _check_message_and_name(workflow: dict[str, Any], params: dict[str, Any]) -> None:
    if workflow.get("is_message_required") and not params.get("message"):
        _refuse("The workflow requires a message.")
    pattern = workflow.get("handle_pattern")
    try:
        fits = not pattern or re.search(pattern, params["name"])
    except (re.error, TypeError):
        _refuse(f"The workflow's `handle_pattern` `{pattern}` is not a regular expression.")
    if not fits:
        _refuse(f"The package name `{params['name']}` does not match the workflow's pattern `{pattern}`.")


def _shown(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the entries as an entries schema sees them."""
    return [
        {"logical_key": entry["logical_key"], "size": entry["size"], "meta": entry["meta"].get("user_meta") or {}}
        for entry in entries
    ]


def _schema(s3: S3Client, config: dict[str, Any], name: str, loaded: dict[str, str]) -> Any:
    """Load a schema by its id and record its URI in `loaded`."""
    schemas = config.get("schemas")
    named = schemas.get(name) if isinstance(schemas, dict) else None
    uri = str(named.get("url", "")) if isinstance(named, dict) else ""
    try:
        found = _read(s3, *split_physical_key(uri))
    except ValueError:
        found = None
    if found is None:
        _refuse(f"The workflow's schema `{name}` cannot be loaded from `{uri}`.")
    try:
        schema = json.loads(found[0], object_hook=_without_references)
    except (ValueError, RecursionError) as error:
        _refuse(f"The workflow's schema `{name}` cannot be used: {error}")
    if isinstance(schema, dict) and schema.get("$schema", DRAFT) != DRAFT:
        _refuse(f"The workflow's schema `{name}` is not of draft-07.")
    loaded[name] = found[1]
    return schema


def _without_references(found: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in found:
        raise ValueError("`$ref` is not supported")
    return found


def _validate(schema: Any, name: str, value: Any) -> None:
    try:
        jsonschema.Draft7Validator.check_schema(schema)
        jsonschema.Draft7Validator(schema).validate(value)
    except jsonschema.SchemaError as error:
        _refuse(f"The workflow's schema `{name}` is not valid: {error.message}.")
    except jsonschema.ValidationError as error:
        _refuse(f"The workflow's schema `{name}` is not met: {error.message}.")
