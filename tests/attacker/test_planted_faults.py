"""Suppressors with one fault each, over small trusts: every fault is caught, and the real suppressor has none of them."""

from __future__ import annotations
