"""Serve the catalog: `python -m testbed.catalog`, configured by the supervisor's environment variables."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

import boto3
from botocore.config import Config

from testbed.catalog.app import KNOBS
from testbed.catalog.app import Catalog
from testbed.catalog.auth import Tokens
from testbed.catalog.browsing import Browsing
from testbed.catalog.database import open_database
from testbed.catalog.defects import DEFECTS
from testbed.catalog.defects import SENTENCES
from testbed.catalog.injection import Defects
from testbed.catalog.locks import Locks
from testbed.catalog.registry import Registry
from testbed.catalog.search import SearchIndex
from testbed.faults.control import CallLog
from testbed.faults.control import Faults
from testbed.serving import serve


def main() -> None:
    """Create the catalog's parts, serve until stopped and exit with the server's status."""
    state, port = Path(os.environ["TESTBED_STATE_DIR"]), int(os.environ["TESTBED_PORT"])
    faults = Faults(KNOBS, SENTENCES, state / "kept-switches.json")
    defects = Defects(faults, DEFECTS)
    engine = open_database(os.environ.get("TESTBED_DATABASE_URL") or state / "catalog.sqlite")
    tokens = Tokens(engine, os.environ["TESTBED_JWT_SECRET"], faults, defects)
    tokens.register_seeds(json.loads(os.environ["TESTBED_SEED_REFRESH_TOKENS"]))
    config = Config(signature_version="s3v4", max_pool_connections=64, retries={"mode": "standard", "max_attempts": 3})
    registry = Registry(boto3.client("s3", config=config), defects)
    index = SearchIndex(engine, registry, defects)
    threading.Thread(target=index.watch, daemon=True).start()
    catalog = Catalog(
        url=f"http://127.0.0.1:{port}",
        aws_url=os.environ["AWS_ENDPOINT_URL"],
        engine=engine,
        tokens=tokens,
        registry=registry,
        locks=Locks(engine),
        index=index,
        browsing=Browsing(engine, registry),
        calls=CallLog(state / "calls" / "catalog.jsonl"),
        faults=faults,
    )
    code = serve(catalog.app(os.environ["TESTBED_CONTROL_TOKEN"]), port)
    index.stop()
    sys.exit(code)


if __name__ == "__main__":
    main()
