"""The page's style sheet and the texts around every page."""

from __future__ import annotations

import streamlit as st

_STYLE = """
<style>
.ep-table { overflow-x: auto; max-width: 100%; }
.ep-table:focus-visible { outline: 3px solid #12436D; }
.ep-table table { border-collapse: collapse; font-size: 1rem; width: 100%; }
.ep-table caption { position: absolute; width: 1px; height: 1px;
  overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.ep-table th, .ep-table td { text-align: left; padding: 0.4rem 0.5rem 0.4rem 0;
  border-bottom: 1px solid #B1B4B6; vertical-align: top; }
.ep-table th[scope=row] { font-weight: 400; min-width: 9rem; }
.ep-table thead th { font-weight: 600; vertical-align: bottom; }
.ep-table .ep-number { text-align: right; font-variant-numeric: tabular-nums; }
.ep-table .ep-number + :not(.ep-number) { padding-left: 0.4rem; }
.ep-caption { color: #3D3D3D; font-size: 0.95rem; border-left: 4px solid #B1B4B6;
  padding-left: 0.75rem; overflow-wrap: anywhere; }
.ep-phase { display: inline-block; background: #12436D; color: #FFFFFF; padding: 0.1rem 0.5rem;
  font-weight: 600; margin-right: 0.5rem; }
.ep-notice { border-left: 4px solid #12436D; padding: 0.4rem 0.75rem; background: #F3F2F1; font-weight: 600; }
.ep-sums { font-family: inherit; font-size: 1rem; line-height: 1.7; overflow-wrap: anywhere; }
.ep-terms th[scope=row] { width: 12rem; }
.stMainBlockContainer { padding-top: 4.5rem; padding-bottom: 3rem; }
@media (min-width: 800px) { .stMainBlockContainer { padding-left: 2.5rem; padding-right: 2.5rem; } }
</style>
"""


def apply_style() -> None:
    st.html(_STYLE)
