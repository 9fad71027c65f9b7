"""Choices that stand in the address of the page, so that a view can be shared. No personal data ever goes there."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st


def choose(label: str, options: Mapping[str, str], key: str) -> str:
    """A list to choose one option from.

    Parameters: `options`, value to its words, the default first; `key`, the name in the page's address.
    Returns: the value chosen. Raises: `ValueError` where there is nothing to choose from.
    """
    if not options:
        raise ValueError(f"There is nothing to choose for '{label}'.")
    values = list(options)
    chosen = st.selectbox(label, values, format_func=lambda value: options[value], key=key, bind="query-params")
    return values[0] if chosen is None else chosen
