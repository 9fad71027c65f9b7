"""From the bytes of a file to its text in UTF-8, whatever the encoding and whether gzipped."""

from __future__ import annotations

import gzip
import hashlib
import io
import mmap
import zlib
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, getincrementaldecoder
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ingest.refusal import FileRefused

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

IN_MEMORY_BYTES = 96 * 1024 * 1024
CHUNK_BYTES = 8 * 1024 * 1024
LARGEST_UNZIPPED_BYTES = 16 * 1024**3
GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGIC = b"PK\x03\x04"


@dataclass(frozen=True)
class DecodedText:
    """A text in UTF-8 without byte order mark: a buffer, in memory or mapped from a file.

    `n_lines` counts line feeds; `has_lone_returns`: carriage returns end lines as well, so that this count is too low.
    """

    buffer: bytes | mmap.mmap
    n_lines: int
    ends_with_newline: bool
    has_lone_returns: bool

    def lines(self) -> IO[str]:
        """The text for the csv module, line ends untouched."""
        if isinstance(self.buffer, bytes):
            return io.TextIOWrapper(io.BytesIO(self.buffer), encoding="utf-8", newline="")
        return io.TextIOWrapper(io.BufferedReader(_MappedFile(self.buffer)), encoding="utf-8", newline="")

    def first_line(self) -> str:
        """The first physical line."""
        end = self.buffer.find(b"\n")
        return bytes(self.buffer[: end if end >= 0 else len(self.buffer)]).decode("utf-8").rstrip("\r")


class _MappedFile(io.RawIOBase):
    """A mapped file read from its start, leaving the map's own position alone."""

    def __init__(self, source: mmap.mmap) -> None:
        self._source = source
        self._position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        target = memoryview(buffer).cast("B")
        chunk = self._source[self._position : self._position + len(target)]
        target[: len(chunk)] = chunk
        self._position += len(chunk)
        return len(chunk)


def content_sha256(path: Path) -> str:
    """The sha256 of a file's bytes, in hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def is_workbook(path: Path) -> bool:
    """Whether the file is a zip archive, as an XLSX workbook is."""
    with path.open("rb") as handle:
        return handle.read(4) == ZIP_MAGIC


def read_head(path: Path, n_bytes: int = 65_536) -> str:
    """The text of the first bytes, for recognising a file by its header. Raises `FileRefused` as `decode_file` does."""
    with path.open("rb") as handle:
        head = handle.read(n_bytes)
    if head.startswith(GZIP_MAGIC):
        try:
            with gzip.open(path, "rb") as unzipped:
                head = unzipped.read(n_bytes)
        except (OSError, EOFError, zlib.error) as error:
            raise FileRefused(f"{path.name}: the gzip archive is damaged; send the file again.") from error
    if not head:
        raise FileRefused(f"{path.name}: the file is empty; export it again.")
    encoding = _encoding_of(head, path.name)
    cut = head[: head.rfind(b"\n") + 1] if encoding == "utf-8-sig" and b"\n" in head else head
    decoder = getincrementaldecoder(encoding)("strict")
    try:
        return decoder.decode(cut)
    except UnicodeDecodeError:
        return getincrementaldecoder("cp1252")("replace").decode(cut)


def decode_file(path: Path, scratch: Path) -> DecodedText:
    """Reads a text file (UTF-8, UTF-16, Windows-1252; gzip of these) as UTF-8.

    Parameters: `path`; `scratch`, a folder for the text of a file too large to hold in memory.
    Raises: `FileRefused` for an empty, binary or damaged file.
    """
    with path.open("rb") as handle:
        head = handle.read(CHUNK_BYTES)
    if not head:
        raise FileRefused(f"{path.name}: the file is empty; export it again.")
    is_gzip = head.startswith(GZIP_MAGIC)
    if not is_gzip and path.stat().st_size <= IN_MEMORY_BYTES:
        raw = head if len(head) < CHUNK_BYTES else path.read_bytes()
        return _finish(_to_utf8(raw, path.name), path.name)
    return _decode_large(path, scratch, is_gzip)


def _finish(text: bytes | mmap.mmap, name: str) -> DecodedText:
    if isinstance(text, bytes) and not text.strip():
        raise FileRefused(f"{name}: the file is empty; export it again.")
    n_newlines = n_returns = n_pairs = 0
    for start in range(0, len(text), CHUNK_BYTES):
        # One byte more than a chunk, so that a pair across two chunks is counted once.
        chunk = text[start : start + CHUNK_BYTES + 1]
        n_newlines += chunk.count(b"\n", 0, CHUNK_BYTES)
        n_returns += chunk.count(b"\r", 0, CHUNK_BYTES)
        n_pairs += chunk.count(b"\r\n")
    ends = text[-1:] == b"\n"
    return DecodedText(text, n_newlines if ends else n_newlines + 1, ends, n_returns != n_pairs)


def _to_utf8(raw: bytes, name: str) -> bytes:
    if raw.isascii() and b"\0" not in raw[:CHUNK_BYTES]:
        return raw
    encoding = _encoding_of(raw[:65_536], name)
    if encoding == "utf-8-sig":
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError:
            encoding = "cp1252"
        else:
            return raw.removeprefix(BOM_UTF8)
    try:
        return raw.decode(encoding).removeprefix("\ufeff").encode("utf-8")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise _not_text(name, line) from error


def _not_text(name: str, line: int) -> FileRefused:
    return FileRefused(
        f"{name}, line {line}: this is not text in UTF-8, UTF-16 or Windows-1252; export the file again as CSV or XLSX."
    )


def _encoding_of(head: bytes, name: str) -> str:
    """`utf-16`, `utf-16-le`, `utf-16-be` or `utf-8-sig` (which may turn out to be Windows-1252). Raises `FileRefused`
    for binary."""
    if head.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" not in head:
        return "utf-8-sig"
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    if odd > half * 0.6 and even < half * 0.1:
        return "utf-16-le"
    if even > half * 0.6 and odd < half * 0.1:
        return "utf-16-be"
    raise _not_text(name, head[: head.index(b"\0")].count(b"\n") + 1)


def _chunks(path: Path, is_gzip: bool) -> Iterator[bytes]:
    total = 0
    try:
        with gzip.open(path, "rb") if is_gzip else path.open("rb") as handle:
            while chunk := handle.read(CHUNK_BYTES):
                total += len(chunk)
                if total > LARGEST_UNZIPPED_BYTES:
                    raise FileRefused(f"{path.name}: the archive unfolds into more than 16 GiB; send smaller files.")
                yield chunk
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise FileRefused(f"{path.name}: the gzip archive is damaged or cut off; send the file again.") from error


def _decode_large(path: Path, scratch: Path, is_gzip: bool) -> DecodedText:
    """Decodes chunk by chunk into a scratch file, first as what it seems, then as Windows-1252, and maps the result."""
    target = scratch / "text.utf8"
    first = next(_chunks(path, is_gzip), b"")
    if not first.strip():
        raise FileRefused(f"{path.name}: the file is empty; export it again.")
    guess = _encoding_of(first[:65_536], path.name)
    for encoding in (guess, "cp1252") if guess == "utf-8-sig" else (guess,):
        decoder = getincrementaldecoder(encoding)("strict")
        try:
            with target.open("wb") as handle:
                for chunk in _chunks(path, is_gzip):
                    handle.write(decoder.decode(chunk).encode("utf-8"))
                handle.write(decoder.decode(b"", final=True).encode("utf-8"))
        except UnicodeDecodeError:
            continue
        if target.stat().st_size <= IN_MEMORY_BYTES:
            text = target.read_bytes().removeprefix(BOM_UTF8)
            target.unlink()
            if b"\0" in text:
                raise _not_text(path.name, text[: text.index(b"\0")].count(b"\n") + 1)
            return _finish(text, path.name)
        with target.open("rb") as mapped:
            return _finish(mmap.mmap(mapped.fileno(), 0, access=mmap.ACCESS_READ), path.name)
    raise _not_text(path.name, 1)
