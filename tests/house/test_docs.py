"""The pages keep their promises: commands exist, links lead somewhere, and one thing has one name."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from orchestration.cli import everypupil
from tests.house.tree import ROOT, name, text_files, tracked_files

PAGES = [path for path in tracked_files() if path.suffix == ".md"]
GLOSSARY = ROOT / "docs" / "glossary.md"


def words_to_avoid() -> list[str]:
    section = GLOSSARY.read_text(encoding="utf-8").split("## Words to avoid", 1)[1]
    rows = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("|")]
    return rows[2:]


def lines_with(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    return [
        f"{name(path)}:{number}: {found[0]}"
        for path in paths
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if (found := pattern.search(line))
    ]


def code_of(page: Path) -> str:
    """What a page sets as code: fenced blocks and inline code."""
    text = page.read_text(encoding="utf-8")
    return "\n".join(re.findall(r"```.*?\n(.*?)```", text, re.DOTALL) + re.findall(r"`([^`\n]+)`", text))


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def test_every_make_target_that_a_page_names_exists() -> None:
    named = {target: page for page in PAGES for target in re.findall(r"\bmake ([a-z]+)\b", code_of(page))}
    assert {"demo", "test"} <= named.keys()
    assert {target: name(page) for target, page in named.items() if target not in make_targets()} == {}


def test_every_command_that_a_page_names_exists() -> None:
    named: dict[str, str] = {}
    for page in PAGES:
        for command in re.findall(r"\beverypupil (?:--home \S+ )?([a-z]+(?:-[a-z]+)*)\b", code_of(page)):
            named[command] = name(page)
    assert {"check", "run", "status"} <= named.keys()
    assert {command: page for command, page in named.items() if command not in everypupil.commands} == {}


@pytest.mark.parametrize("document", PAGES, ids=name)
def test_every_link_of_a_page_leads_to_a_file(document: Path) -> None:
    targets = re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
    local = [target for target in targets if not re.match(r"[a-z]+:", target)]
    assert [target for target in local if not (document.parent / target).exists()] == []


def test_every_decision_record_says_what_why_and_what_follows() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
    assert [record.name[:4] for record in records] == [f"{number:04d}" for number in range(1, len(records) + 1)]
    for record in records:
        headings = re.findall(r"^## (.+)$", record.read_text(encoding="utf-8"), re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences"], name(record)


def test_one_thing_has_one_name() -> None:
    avoided = words_to_avoid()
    assert len(avoided) > 10
    pattern = re.compile(r"\b(" + "|".join(re.escape(word) for word in avoided) + r")\b", re.IGNORECASE)
    assert lines_with(pattern, [path for path in text_files() if path not in {GLOSSARY, ROOT / "LICENSE"}]) == []


def test_the_page_on_feeds_says_what_the_contracts_say() -> None:
    page = runpy.run_path(str(ROOT / ".ci" / "feeds.py"))["page"]
    assert (ROOT / "docs" / "feeds.md").read_text(encoding="utf-8") == page()


def test_the_readme_stays_short_enough_to_be_read() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 200


def test_no_page_counts_what_the_code_counts_better() -> None:
    """Thresholds are rendered from the registry; a page that repeats one is wrong on the day it changes."""
    pattern = re.compile(r"\b(10|50)\s?%\s+(or more\s+)?(of\s+)?(their\s+|its\s+)?(own\s+)?possible", re.IGNORECASE)
    assert lines_with(pattern, PAGES) == []
