"""dbt's own unit tests, which a nightly run leaves out, have run in the first build of the small lake."""

from __future__ import annotations

import yaml

from tests.dbt.conftest import PROJECT, Built


def test_every_unit_test_of_the_models_has_run_and_passed(built: Built) -> None:
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in PROJECT.rglob("*.yml")]
    declared = {
        f"unit_test.everypupil.{test['model']}.{test['name']}" for file in files for test in file.get("unit_tests", [])
    }
    assert declared
    found = {node: status for node, status in built.statuses.items() if node.startswith("unit_test.")}
    assert found == dict.fromkeys(declared, "pass")
