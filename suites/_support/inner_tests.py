"""Sources of the generated tests for the cleanup: what each creates, and how it ends."""

from __future__ import annotations

from typing import Final

ENTRY: Final = '[{"logical_key": "data.csv", "physical_key": f"s3://{target.data}/single-file/data.csv"}]'
BIG: Final = 1203  # more than one DeleteObjects request may hold
ONE: Final = f"""
import os


def test_makes(work, target, quilt_ops):
    work.put_one(target.scratch, "inner-one", b"one")
    name = work.create("inner-one", {ENTRY}, message=os.environ["NIGHTPROOF_LEDGER"])
    print("made", quilt_ops.get_package_info(name, work.registry).top_hash)
"""
MANY: Final = f'''
import os
import boto3
from concurrent.futures import ThreadPoolExecutor
from nightproof.evidence import channel

CONFIG = """schema:
- {{name: a, type: STRING}}
source: {{type: quilt-packages, package_name: '^inner/none$', logical_key: '^a[.]csv$'}}
parser: {{format: csv}}
"""


def test_makes(work, people, tables, target, quilt_ops, admin_ops):
    scratch, versioned = work.prefix(target.scratch, "inner-many"), work.prefix(target.work, "inner-versions")
    s3 = boto3.client("s3")
    with channel("observer"), ThreadPoolExecutor(8) as pool:
        keys = [f"{{scratch}}{{number:04}}" for number in range({BIG})]
        list(pool.map(lambda key: s3.put_object(Bucket=target.scratch, Key=key, Body=b""), keys))
        for number in range(15):
            s3.put_object(Bucket=target.work, Key=f"{{versioned}}{{number % 5}}", Body=str(number).encode())
        s3.create_multipart_upload(Bucket=target.work, Key=f"{{versioned}}unfinished")
    people.create("inner-many")
    admin_ops.create_tabulator_table(target.work, tables.name(target.work, "inner"), CONFIG)
    name = work.create("inner-many", {ENTRY}, message=os.environ["NIGHTPROOF_LEDGER"])
    print("made", quilt_ops.get_package_info(name, work.registry).top_hash)
    work.await_next_second(name)
    quilt_ops.update_package_revision(name, work.registry, metadata={{"second": name}})
    print("made", quilt_ops.get_package_info(name, work.registry).top_hash)
'''
_MAKES: Final = f"""
import os
import threading
import pytest


def make(work, target, short):
    work.put(short, "source.txt", b"source")
    return work.create(short, {ENTRY}, message=os.environ["NIGHTPROOF_LEDGER"] + short)
"""
ASSERTS: Final = f"""{_MAKES}

def test_ends(work, target):
    assert make(work, target, "inner-asserts") == ""
"""
SETUP: Final = f"""{_MAKES}

@pytest.fixture
def broken(work, target):
    make(work, target, "inner-setup")
    raise LookupError("injected in the set-up")


def test_ends(broken):
    pass
"""
FINALIZER: Final = f"""{_MAKES}

def test_ends(work, target, observer):
    first = make(work, target, "inner-first")
    make(work, target, "inner-second")
    observer.put(work.bucket, f".quilt/named_packages/{{first}}/latest", b"no hash")
"""
REFUSED: Final = f"""{_MAKES}

def test_ends(work, target):
    make(work, target, "inner-refused")
"""
KILLED: Final = f"""{_MAKES}

def test_ends(work, target):
    make(work, target, "inner-killed")
    os.kill(os.getpid(), 9)
"""
LATE: Final = f"""{_MAKES}

@pytest.fixture
def made(work, target):
    return make(work, target, "inner-late")


@pytest.mark.timeout(1, method="thread", func_only=True)  # the clock starts when all was made
def test_ends(made):
    threading.Event().wait(60)
"""
