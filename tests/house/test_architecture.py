"""Who may import whom, and what no module may do while it is being imported. Read from the syntax tree alone."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.house.tree import PACKAGES, ROOT, modules, name, syntax_tree, tracked_files

ROOMS = {
    "ingest": {"ingest"},
    "quality": {"quality", "ingest"},
    "orchestration": {"orchestration", "quality", "ingest"},
    "dashboard": {"dashboard", "ingest"},
}
# The command line is the front door: it opens every room, each only when its command is called.
FRONT_DOOR = re.compile(r"^orchestration/(cli|commands)\b")

BANNED = {
    "ingest": {"dagster", "dagster_dbt", "dbt", "streamlit", "great_expectations", "altair"},
    "quality": {"dagster", "dagster_dbt", "streamlit", "altair"},
    "orchestration": {"streamlit", "altair", "great_expectations"},
    "dashboard": {"dagster", "dagster_dbt", "dbt", "great_expectations"},
}


def imports(tree: ast.AST) -> Iterator[tuple[str, int, int]]:
    """(dotted module, level of a relative import, line) of every import, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, 0, node.lineno
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.level, node.lineno


def run_at_import(tree: ast.Module) -> Iterator[ast.AST]:
    """Every node that is evaluated when the module is imported: not the bodies of functions and not the main block."""
    pending: list[ast.AST] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
            pending.extend(node.orelse)
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            defaults = [value for value in (*node.args.defaults, *node.args.kw_defaults) if value is not None]
            pending.extend([*node.decorator_list, *defaults])
        elif isinstance(node, ast.Lambda):
            continue
        else:
            pending.extend(ast.iter_child_nodes(node))


EFFECT = re.compile(
    r"""(^|\.)(
        open | read_text | read_bytes | write_text | write_bytes | mkdir | touch | unlink | rename | iterdir | glob |
        rglob | exists | is_file | is_dir | stat | getenv | connect | Popen | check_call | check_output | system |
        urlopen | load_settings | load_registry | read_registry | basicConfig
    )$ | ^subprocess\. | ^requests\. | ^httpx\. | ^shutil\. """,
    re.VERBOSE,
)


# Switching a library's telemetry off has to come before its import; it reads nothing.
TELEMETRY_OFF = re.compile(r"""^os\.environ\.setdefault\('(GX_ANALYTICS_ENABLED|DO_NOT_TRACK)', '(false|1)'\)$""")


def effects_at_import(tree: ast.Module) -> list[tuple[int, str]]:
    """(line, what) of every read of the environment and every touch of the outside while the module is imported."""
    found = []
    nodes = list(run_at_import(tree))
    allowed = {id(inner) for node in nodes if TELEMETRY_OFF.match(ast.unparse(node)) for inner in ast.walk(node)}
    for node in nodes:
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "os.environ" and id(node) not in allowed:
            found.append((node.lineno, "os.environ"))
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if EFFECT.search(called):
                found.append((node.lineno, called))
    return found


SQL = re.compile(
    r"\b(select\b.+\bfrom|insert\s+into|update\s+\w+\s+set|delete\s+from|create\s+(or\s+replace\s+)?(table|view|schema|macro)|"
    r"attach\s+'|copy\s+.+\bto\b|order\s+by|where\s+\w+\s*(=|in\b))",
    re.IGNORECASE | re.DOTALL,
)


def formatted_sql(tree: ast.Module) -> list[int]:
    """Lines where SQL text is put together with values: f-strings, %, + and format."""
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
            if SQL.search(text) and any(isinstance(part, ast.FormattedValue) for part in node.values):
                lines.append(node.lineno)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod | ast.Add):
            literals = [side.value for side in (node.left, node.right) if isinstance(side, ast.Constant)]
            both = all(isinstance(side, ast.Constant) for side in (node.left, node.right))
            if not both and any(isinstance(text, str) and SQL.search(text) for text in literals):
                lines.append(node.lineno)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
            target = node.func.value
            if isinstance(target, ast.Constant) and isinstance(target.value, str) and SQL.search(target.value):
                lines.append(node.lineno)
    return lines


def test_a_room_imports_only_the_rooms_it_may() -> None:
    found = []
    for path in modules():
        room = path.relative_to(ROOT).parts[0]
        if FRONT_DOOR.match(name(path)):
            continue
        for module, _, line in imports(syntax_tree(path)):
            top = module.split(".")[0]
            if top in PACKAGES and top not in ROOMS[room]:
                found.append(f"{name(path)}:{line} imports {module}")
    assert found == []


def test_no_package_imports_the_tests_or_the_benchmarks() -> None:
    found = [
        f"{name(path)}:{line} imports {module}"
        for path in modules()
        for module, _, line in imports(syntax_tree(path))
        if module.split(".")[0] in {"tests", "benchmarks"}
    ]
    assert found == []


@pytest.mark.parametrize("room", sorted(BANNED))
def test_a_room_stays_free_of_the_libraries_that_belong_next_door(room: str) -> None:
    found = [
        f"{name(path)}:{line} imports {module}"
        for path in modules(room)
        for module, _, line in imports(syntax_tree(path))
        if module.split(".")[0] in BANNED[room]
    ]
    assert found == []


def test_nobody_imports_the_private_parts_of_dagster() -> None:
    found = [
        f"{name(path)}:{line} imports {module}"
        for path in modules(*PACKAGES, "tests", "benchmarks")
        for module, _, line in imports(syntax_tree(path))
        if re.match(r"dagster\w*(\.\w+)*\._|dagster\w*\._", module)
    ]
    assert found == []


def test_every_import_is_absolute() -> None:
    found = [
        f"{name(path)}:{line}"
        for path in modules(*PACKAGES, "tests", "benchmarks")
        for _, level, line in imports(syntax_tree(path))
        if level
    ]
    assert found == []


def test_no_import_leans_on_the_folder_that_a_script_was_started_in() -> None:
    # `streamlit run dashboard/app.py` puts dashboard/ first on the path: a bare `import access` works there alone.
    found = []
    for path in modules():
        siblings = {other.stem for other in path.parent.glob("*.py")} | {
            other.parent.name for other in path.parent.glob("*/__init__.py")
        }
        for module, level, line in imports(syntax_tree(path)):
            top = module.split(".")[0]
            if not level and top in siblings - {"__init__"} - set(PACKAGES) and _is_no_library(top):
                found.append(f"{name(path)}:{line} imports {module}")
    assert found == []


def _is_no_library(top: str) -> bool:

    return top not in sys.stdlib_module_names and top not in packages_distributions()


def test_nobody_rewrites_the_import_path() -> None:
    found = [
        f"{name(path)}:{node.lineno}"
        for path in modules(*PACKAGES, "tests", "benchmarks")
        for node in ast.walk(syntax_tree(path))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.path"
    ]
    assert found == []


def test_importing_a_module_reads_and_writes_nothing() -> None:
    found = [f"{name(path)}:{line} {what}" for path in modules() for line, what in effects_at_import(syntax_tree(path))]
    assert found == []


def test_the_dashboard_never_writes_values_into_sql() -> None:
    found = [f"{name(path)}:{line}" for path in modules("dashboard") for line in formatted_sql(syntax_tree(path))]
    assert found == []


@pytest.mark.parametrize(
    ("source", "caught"),
    [
        ("import os\nHOME = os.environ['HOME']", True),
        ("import os\ndef home(h=os.environ.get('HOME')): return h", True),
        ("from pathlib import Path\nTEXT = Path('a').read_text()", True),
        ("import duckdb\nclass A:\n    con = duckdb.connect()", True),
        ("import os\ndef home(): return os.environ['HOME']", False),
        ("import os\nif __name__ == '__main__':\n    print(os.environ)", False),
        ("home = lambda: open('a')", False),
        ("import os\nos.environ.setdefault('GX_ANALYTICS_ENABLED', 'false')", False),
        ("import os\nos.environ.setdefault('HOME', '/')", True),
    ],
)
def test_the_import_rule_sees_what_it_should(source: str, caught: bool) -> None:
    assert bool(effects_at_import(ast.parse(source))) is caught


@pytest.mark.parametrize(
    ("source", "caught"),
    [
        ('q = f"select a from t where b = {x}"', True),
        ("q = \"select a from t where b = '%s'\" % x", True),
        ('q = "select a from t where b = " + x', True),
        ('q = "select a from {} where b = 1".format(x)', True),
        ('q = "select a from t " "where b = ?"', False),
        ('label = f"{x} pupils selected"', False),
    ],
)
def test_the_sql_rule_sees_what_it_should(source: str, caught: bool) -> None:
    assert bool(formatted_sql(ast.parse(source))) is caught


def test_dbt_models_are_sql_and_need_no_package_hub() -> None:
    dbt = [path for path in tracked_files() if path.relative_to(ROOT).parts[0] == "dbt_project"]
    assert [name(path) for path in dbt if path.suffix == ".py"] == []
    assert [name(path) for path in dbt if path.name in {"packages.yml", "dependencies.yml", "package-lock.yml"}] == []


def test_the_top_level_is_the_one_that_was_agreed() -> None:
    fixed = {*PACKAGES, "dbt_project", "tests", "docs", "benchmarks", "requirements", ".ci"} | {
        *("pyproject.toml", "Makefile", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"),
        *(".gitignore", ".gitattributes", ".sqlfluff", ".sqlfluffignore"),
    }
    assert {path.relative_to(ROOT).parts[0] for path in tracked_files()} - fixed == set()


def test_nothing_is_left_for_later_and_no_test_is_skipped() -> None:
    later = re.compile(
        r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b|pytest\.(skip|xfail|importorskip)\b|mark\.(skip|skipif|xfail)\b"
    )
    suffixes = {".py", ".sql", ".yml", ".toml", ".sh"}
    found = [
        f"{name(path)}:{number}"
        for path in tracked_files()
        if path.suffix in suffixes and path != Path(__file__).resolve()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1)
        if later.search(line)
    ]
    assert found == []
