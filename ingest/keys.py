"""Pseudonyms: a keyed hash of each pupil identifier, and the secret it needs."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from ingest.settings import Settings

KEY_FILE = "pseudonym.key"
KEY_BYTES = 32


class KeyMismatch(Exception):
    """The pseudonym key in use is not the one that the lake was built with."""


class KeyUnusable(ValueError):
    """The pseudonym key is lost, damaged or readable by others; the message is one sentence with the remedy."""


@dataclass(frozen=True)
class Pseudonymiser:
    """Turns identifiers into 63-bit numbers with HMAC-SHA256; equal identifiers give equal numbers."""

    secret: bytes = field(repr=False)
    _seen: dict[str, int] = field(default_factory=dict, repr=False, compare=False)

    @property
    def key_id(self) -> str:
        """Sixteen hex digits that name the secret without revealing it."""
        return hmac.digest(self.secret, b"everypupil key id", "sha256").hex()[:16]

    def _reference(self, text: str) -> int:
        known = self._seen.get(text)
        if known is None:
            known = int.from_bytes(hmac.digest(self.secret, text.encode(), hashlib.sha256)[:8], "big") >> 1
            self._seen[text] = known
        return known

    def upn(self, upn: str) -> int:
        """The reference of a UPN."""
        return self._reference("upn:" + upn)

    def mis(self, laestab: str, mis_id: str, occurrence: int = 1) -> int:
        """The reference of a school's own pupil id; `occurrence` tells apart children who share one."""
        return self._reference(f"mis:{laestab}:{mis_id}:{occurrence}")


def load_pseudonymiser(settings: Settings) -> Pseudonymiser:
    """The pseudonymiser of this home; its secret is made on first use, readable by its owner alone.

    Raises: `KeyUnusable` where the key file is lost although a lake was built with one, is not 32 bytes, or others may
    read it.
    """
    path = settings.secrets_dir / KEY_FILE
    if not path.exists():
        if (settings.lake_dir / "LAKE.json").exists():
            raise KeyUnusable(
                f"The pseudonym key {path} is missing, but the lake {settings.lake_dir} was built with one; restore it "
                "from its backup, or start a new home."
            )
        _create_key(path)
    if path.stat().st_mode & 0o077:
        raise KeyUnusable(f"Others may read the key file {path}; run 'chmod 600' on it and run again.")
    secret = path.read_bytes()
    if len(secret) != KEY_BYTES:
        raise KeyUnusable(f"The key file {path} is not {KEY_BYTES} bytes long; restore it from its backup.")
    return Pseudonymiser(secret)


def _create_key(path: Path) -> None:
    """Writes the key under a temporary name and links it, so that a second process never reads half a key nor
    replaces one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{KEY_FILE}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(secrets.token_bytes(KEY_BYTES))
            handle.flush()
            os.fsync(handle.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
    finally:
        temporary.unlink(missing_ok=True)
