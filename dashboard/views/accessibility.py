"""The accessibility statement, cookies, and whom to ask."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

STATEMENT = Path(__file__).resolve().parents[2] / "docs" / "accessibility.md"


def render() -> None:
    """Shows the statement. It needs no release, so it can be read when there is none."""
    try:
        text = STATEMENT.read_text(encoding="utf-8")
    except OSError:
        st.title("Accessibility", anchor=False)
        st.error(
            "The accessibility statement is missing from this installation; it stands in docs/accessibility.md of "
            "the project."
        )
        return
    title, _, rest = text.partition("\n")
    st.title(title.lstrip("# "), anchor=False)
    st.markdown(rest)
