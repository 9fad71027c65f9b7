"""Writes docs/feeds.md, the columns that each feed takes, from the contracts that judge the files."""

from __future__ import annotations

from pathlib import Path

from ingest.contracts import LAKE_FEEDS, Column, load_contract

TARGET = Path(__file__).parents[1] / "docs" / "feeds.md"
TYPES = {
    "academic_year": "2025/26, 2025-26 or 202526",
    "boolean": "yes or no (also Y, N, true, false, 1, 0)",
    "code": "a code",
    "date": "date, 2025-09-03 or 03/09/2025",
    "discard": "text; not kept in any table",
    "estab": "one to four digits",
    "la_code": "three digits",
    "laestab": "seven digits",
    "nc_year": "E1, E2, N1, N2, R, 1 to 14 or X",
    "register_code": "a register code; blank, - or * is a missing mark",
    "slug": "a short name",
    "text": "text",
    "time_period": "four or six digits, 2025 or 202526",
    "upn": "a UPN, temporary ones too",
    "urn": "five to six digits",
}
OPENING = """# What each feed's files may look like

Made from the contracts in `ingest/contracts` by `.ci/feeds.py`; a test fails where the two differ. Change the
contract, not this page.

Any of the names in a row will do. Case, spaces, hyphens and underscores in a header do not matter, nor does the order
of columns; a column that is not listed is left out and `everypupil check` names it. Where no column gives the school,
the folder does: `landing/pupils/2081234/list.csv`. A rule that **refuses** keeps the row out of every figure and in
quarantine; one that **flags** takes the row and says so.
"""


def what(column: Column) -> str:
    """What a value of the column may be."""
    if column.type == "integer":
        return f"whole number, {column.options['minimum']} to {column.options['maximum']}"
    if column.type == "choice":
        choices = column.options["choices"]
        return "; ".join(" or ".join(map(str, words or [value])) for value, words in choices.items())
    return TYPES[column.type]


def page() -> str:
    """The whole page as Markdown."""
    lines = [OPENING]
    for feed in LAKE_FEEDS:
        contract = load_contract(feed)
        lines += [f"## {contract.data['title']}", "", f"Folder `{contract.data['landing_folder']}`.", ""]
        names = {column.name: column.aliases[0] for column in contract.columns}
        for group in contract.needs_one_of:
            lines += [f"The header must have at least one of: {', '.join(names[name] for name in group)}.", ""]
        lines += ["| column, any of these names | needed | what it holds |", "|---|---|---|"]
        for column in contract.columns:
            lines.append(f"| {', '.join(column.aliases)} | {'yes' if column.required else 'no'} | {what(column)} |")
        lines += ["", "| rule | what happens | what it found |", "|---|---|---|"]
        lines += [f"| {r.rule_id} | {r.severity}s the row | {r.sentence} |" for r in contract.rules.values()]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
