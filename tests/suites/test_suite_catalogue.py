"""The tests that the suites declare in the lock file, compared with the counts in their specifications."""

from __future__ import annotations

import ast
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

LOCK = Path(__file__).parents[2] / "suites" / "catalogue.lock.json"
PER_FILE = {
    "quilt_ops": {
        "test_01_authentication": 6, "test_02_package_discovery": 6, "test_03_package_content": 7,
        "test_04_package_creation": 7, "test_05_package_updates": 5, "test_06_package_diff": 4,
        "test_07_catalog_config": 4, "test_08_graphql_queries": 5, "test_09_aws_integration": 6,
        "test_10_admin_users": 12, "test_11_admin_roles": 6, "test_12_admin_sso": 5, "test_13_tabulator_tables": 11,
        "test_14_tabulator_queries": 4, "test_15_error_handling": 6, "test_16_concurrency": 6,
        "test_17_performance": 6, "test_18_end_to_end_workflows": 5, "test_19_large_scale": 3,
        "test_20_permissions": 5, "test_21_multi_region": 3, "test_22_token_expiry": 4,
    },
    "backend": {
        "consistency/test_cross_backend": 1, "consistency/test_package_versions": 1,
        "error_handling/test_permission_failures": 2, "error_handling/test_service_timeouts": 2,
        "error_handling/test_validation_failures": 1, "integration/test_cleanup_fixtures": 3,
        "integration/test_content_pipeline": 1, "integration/test_package_lifecycle": 2,
        "integration/test_search_to_access": 1, "integration/test_tabulator_athena": 1,
        "integration/test_tabulator_lifecycle": 2, "performance/test_concurrent_ops": 1,
        "performance/test_large_results": 1, "workflows/test_data_analysis": 1, "workflows/test_data_discovery": 3,
        "workflows/test_package_creation": 1,
    },
}  # fmt: skip
# Tests of a feature that only one backend has, each with the backend that lacks it.
BY_DESIGN = {
    "quilt_ops": {
        "test_local_session_is_recognised": "platform",
        "test_missing_local_session": "platform",
        "test_jwt_session_is_recognised": "quilt3",
        "test_missing_jwt": "quilt3",
        "test_browsing_session_is_bound": "quilt3",
    },
    "backend": {
        "test_data_discovery_workflow_quilt3_only": "platform",
        "test_data_discovery_workflow_platform_only": "quilt3",
    },
}
OTHERS = {"admin_ops", "as_user", "people", "tables"}  # fixtures that sign another user in
SILENT = {"quilt_ops": {"test_missing_local_session", "test_missing_jwt"}, "backend": set()}


def declared(suite: str) -> dict[str, Any]:
    """Return the entry of a suite in the lock file."""
    found: dict[str, Any] = json.loads(LOCK.read_text(encoding="utf-8"))["suites"][suite]
    return found


@pytest.mark.parametrize("suite", PER_FILE)
def test_the_lock_declares_every_test_of_the_specification(suite: str) -> None:
    """Each file declares as many tests as its section has rows."""
    counts = Counter(test_id.split("/", 1)[1].split("::")[0] for test_id in declared(suite)["tests"])
    assert counts == PER_FILE[suite]
    assert sorted(declared(suite)["backends"]) == ["platform", "quilt3"]


@pytest.mark.parametrize("suite", BY_DESIGN)
def test_few_tests_are_unsupported_by_design(suite: str) -> None:
    """Seven tests are supported by one backend only. Every other test runs on both."""
    found = {
        test_id.split("::")[1]: list(test["unsupported"])
        for test_id, test in declared(suite)["tests"].items()
        if test["unsupported"]
    }
    assert found == {test: [backend] for test, backend in BY_DESIGN[suite].items()}


@pytest.mark.parametrize("suite", PER_FILE)
def test_who_signs_another_user_in_needs_an_admin(suite: str) -> None:
    """Every test that uses a fixture which signs another user in declares the need `admin`.

    A target with one user's token runs the rest.
    """
    users = set()
    for path in (LOCK.parent / suite).rglob("test_*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and OTHERS & {argument.arg for argument in node.args.args}:
                users.add(f"{path.relative_to(LOCK.parent).with_suffix('')}::{node.name}")
    needy = {test_id for test_id, test in declared(suite)["tests"].items() if "admin" in test["needs"]}
    assert {user for user in users if user.split("::")[1].startswith("test_")} - needy == set()


@pytest.mark.parametrize("suite", SILENT)
def test_tests_that_send_nothing_say_why(suite: str) -> None:
    """Only two tests, both of quilt_ops, declare that they send nothing, and each states a reason."""
    silent = {
        test_id.split("::")[1]: test for test_id, test in declared(suite)["tests"].items() if test["wire"] == "none"
    }
    assert silent.keys() == SILENT[suite]
    assert [test["wire_reason"] for test in silent.values() if not test["wire_reason"]] == []
