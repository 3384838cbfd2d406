"""A registry's workflow configuration during a test: a registry has only one, so the test holds it alone."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING
from typing import Final

from suites._support.exclusive import borrowed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from suites._support.observer import Observer
    from suites._support.settings import Settings

KEY: Final = ".quilt/workflows/config.yml"


@contextmanager
def configured(observer: Observer, target: Settings, schemas: dict[str, str]) -> Iterator[None]:
    """Configure the workflow `strict` in the scratch registry: it requires a message and metadata of the schema.

    `schemas` maps the one schema's name to its URL.

    Decided: no workflow is required and none is the default, and no other test uses the scratch bucket as a registry.
    Pushes of other tests are therefore not affected.
    """
    (schema,) = schemas
    config = {
        "version": "1",
        "is_workflow_required": False,
        "workflows": {"strict": {"name": "Strict", "is_message_required": True, "metadata_schema": schema}},
        "schemas": {name: {"url": url} for name, url in schemas.items()},
    }

    def read() -> str | None:
        found = observer.inventory(target.scratch, KEY)
        return observer.read(target.scratch, KEY).decode() if found else None

    def write(text: str | None) -> None:
        if text is None:
            observer.delete(target.scratch, KEY)
        else:
            observer.put(target.scratch, KEY, text.encode())

    with borrowed(target.placement, "scratch-workflows", read, write):
        write(json.dumps(config))  # JSON is YAML
        yield
