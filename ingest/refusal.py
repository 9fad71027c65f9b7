"""A file that cannot be taken at all."""

from __future__ import annotations


class FileRefused(Exception):
    """One sentence that says which file, where in it, and what to do."""
