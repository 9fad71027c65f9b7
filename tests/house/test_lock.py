"""The lock: whoever clones the house gets the very packages it was tested with, from wherever they fetch them."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.house.tree import PACKAGES, ROOT, modules, name, syntax_tree, text_files, tracked_files

LOCK = ROOT / "requirements" / "lock.txt"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def locked(path_name: str = "lock.txt") -> dict[str, tuple[str, list[str]]]:
    """Package → (version, hashes) of one lock file."""
    entries: dict[str, tuple[str, list[str]]] = {}
    content = (ROOT / "requirements" / path_name).read_text(encoding="utf-8").replace("\\\n", " ")
    for line in content.splitlines():
        match = re.match(r"^([A-Za-z0-9._-]+)(?:\[[a-z0-9,_-]+\])?==([^ ;]+)", line)
        if match:
            entries[canonicalize_name(match[1])] = (match[2], re.findall(r"--hash=(sha256:[0-9a-f]{64})", line))
    return entries


def direct_requirements() -> list[Requirement]:
    project = PYPROJECT["project"]
    groups = [
        project["dependencies"],
        *project["optional-dependencies"].values(),
        PYPROJECT["build-system"]["requires"],
    ]
    return [Requirement(text) for group in groups for text in group]


@pytest.mark.parametrize("requirement", direct_requirements(), ids=str)
def test_every_direct_dependency_is_locked_to_a_version_it_allows(requirement: Requirement) -> None:
    entry = locked().get(canonicalize_name(requirement.name))
    assert entry is not None, f"requirements/lock.txt has no {requirement.name}; run 'make lock'."
    assert requirement.specifier.contains(Version(entry[0])), f"{requirement} is locked to {entry[0]}; run 'make lock'."


@pytest.mark.parametrize("file", ["lock.txt", "bootstrap.txt"])
def test_every_locked_package_has_a_hash(file: str) -> None:
    entries = locked(file)
    assert entries, f"requirements/{file} locks nothing."
    assert [package for package, (_, hashes) in entries.items() if not hashes] == []


@pytest.mark.parametrize("file", ["lock.txt", "bootstrap.txt"])
def test_the_lock_names_packages_and_never_where_they_were_fetched(file: str) -> None:
    lines = (ROOT / "requirements" / file).read_text(encoding="utf-8").splitlines()
    allowed = re.compile(
        r"^([A-Za-z0-9._-]+(\[[a-z0-9,_-]+\])?==[^ /@]+( ; [^/@]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?)$"
    )
    assert [line for line in lines if not allowed.match(line)] == []


def test_sqlfluff_and_its_dbt_templater_are_the_same_release() -> None:
    # A newer sqlfluff drags the templater back by years, because old templaters named no upper bound.
    assert locked()["sqlfluff"][0] == locked()["sqlfluff-templater-dbt"][0]


def test_no_lock_file_that_records_addresses_is_kept() -> None:
    forbidden = {
        "uv.lock",
        "poetry.lock",
        "pylock.toml",
        "Pipfile.lock",
        "package-lock.json",
        "yarn.lock",
        "pnpm-lock.yaml",
    }
    assert [name(path) for path in tracked_files() if path.name in forbidden] == []


def test_no_tracked_file_says_where_packages_come_from() -> None:
    # Which index a machine uses is that machine's business; a name kept here would fail everywhere else.
    pattern = re.compile(
        r"--(extra-)?index-url[ =]|--find-links[ =]|\b(extra-)?index-url *=|/simple/|p[y]pi[.]org|python[h]osted|file:///",
        re.IGNORECASE,
    )
    this = ROOT / "tests" / "house" / "test_lock.py"
    found = [
        f"{name(path)}:{number}"
        for path in text_files()
        if path != this
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if pattern.search(line)
    ]
    assert found == []


def test_no_tracked_file_names_a_path_of_one_machine() -> None:
    pattern = re.compile(r"(?<![\w.])/(?:home|Users|root|work|opt/wheels|tmp/w)/[\w.]")
    this = ROOT / "tests" / "house" / "test_lock.py"
    found = [
        f"{name(path)}:{number}"
        for path in text_files()
        if path != this and path.parent.name != "requirements"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if pattern.search(line)
    ]
    assert found == []


def test_every_package_that_the_code_imports_is_a_dependency_of_its_own() -> None:
    """What comes along with something else today is gone when that something drops it."""

    declared = {canonicalize_name(requirement.name) for requirement in direct_requirements()}
    distributions = packages_distributions()
    missing: dict[str, set[str]] = {}
    for path in modules(*PACKAGES, "tests", "benchmarks"):
        for node in ast.walk(syntax_tree(path)):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            for top in {module.split(".")[0] for module in names} - set(sys.stdlib_module_names):
                owners = {canonicalize_name(owner) for owner in distributions.get(top, []) if owner != "everypupil"}
                own = top in {*PACKAGES, "benchmarks", "tests", "_typeshed"}  # the last exists for type checkers alone
                if not own and not owners & declared:
                    missing.setdefault(top, set()).add(name(path))
    assert missing == {}
