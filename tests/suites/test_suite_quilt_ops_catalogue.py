"""What the QuiltOps suite declares, as its specification counts it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

LOCK = Path(__file__).parents[2] / "suites" / "catalogue.lock.json"
PER_FILE = {
    "test_01_authentication": 6,
    "test_02_package_discovery": 6,
    "test_03_package_content": 7,
    "test_04_package_creation": 7,
    "test_05_package_updates": 5,
    "test_06_package_diff": 4,
    "test_08_graphql_queries": 5,
    "test_09_aws_integration": 6,
}
BY_DESIGN = {
    "test_local_session_is_recognised": "platform",
    "test_missing_local_session": "platform",
    "test_jwt_session_is_recognised": "quilt3",
    "test_missing_jwt": "quilt3",
}


def test_the_lock_declares_every_test_of_the_specification() -> None:
    """Each file declares as many tests as its section has rows."""
    suite = json.loads(LOCK.read_text(encoding="utf-8"))["suites"]["quilt_ops"]
    counts = Counter(test_id.split("/")[1].split("::")[0] for test_id in suite["tests"])
    assert counts == PER_FILE
    assert sorted(suite["backends"]) == ["platform", "quilt3"]


def test_only_session_tests_are_unsupported_by_design() -> None:
    """Four tests belong to one backend alone; every other runs on both."""
    suite = json.loads(LOCK.read_text(encoding="utf-8"))["suites"]["quilt_ops"]
    declared = {
        test_id.split("::")[1]: next(iter(test["unsupported"]))
        for test_id, test in suite["tests"].items()
        if test["unsupported"]
    }
    assert declared == BY_DESIGN


def test_tests_that_send_nothing_say_why() -> None:
    """A test without exchanges has a reason, and there are only three of them."""
    suite = json.loads(LOCK.read_text(encoding="utf-8"))["suites"]["quilt_ops"]
    silent = {test_id.split("::")[1]: test for test_id, test in suite["tests"].items() if test["wire"] == "none"}
    assert set(silent) == {"test_missing_local_session", "test_missing_jwt", "test_package_info_invalid_name"}
    assert [test["wire_reason"] for test in silent.values() if not test["wire_reason"]] == []
