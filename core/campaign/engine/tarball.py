"""Reading a tar that may be hostile: regular files one after another, and nothing else that the format knows.

Links, devices, folders, sparse files, extended headers are refused, so that nothing in a header has any effect but a
name and a size.  Long names are read as GNU tar writes them.  Format: tar(5), ``struct posix_header``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

_BLOCK = 512
_REGULAR = (b"0", b"\0")
_LONG_NAME = b"L"
_KINDS = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a device",
    b"4": "a device",
    b"5": "a folder",
    b"6": "a pipe",
    b"S": "a sparse file",
    b"x": "an extended header",
    b"g": "an extended header",
}


class TarError(Exception):
    """A tar that is damaged, or holds what is no regular file; the text is the end of a sentence."""


def members(file: IO[bytes], longest_name: int) -> Iterator[tuple[str, int]]:
    """The name and the size of each member; the caller reads exactly so many bytes of ``file`` before the next.

    Raises TarError, OSError.
    """
    name = None
    while header := _header(file):
        kind, size = header[156:157], _number(header[124:136])
        if kind == _LONG_NAME:
            if name is not None or not 0 < size <= longest_name + 1:
                raise TarError("a name in it is too long")
            name = _exactly(file, size).rstrip(b"\0")
            _skip_padding(file, size)
            continue
        if kind not in _REGULAR:
            raise TarError(f"it holds {_KINDS.get(kind, 'something unknown')}: {_text(name or _name(header))!a:.200}")
        yield _text(name if name is not None else _name(header)), size
        _skip_padding(file, size)
        name = None


def _header(file: IO[bytes]) -> bytes | None:
    """The next header, None at the end, which is a block of zeros."""
    block = _exactly(file, _BLOCK)
    if block == bytes(_BLOCK):
        return None
    unsigned = sum(block) - sum(block[148:156]) + 8 * 0x20
    if _number(block[148:156]) != unsigned:
        raise TarError("it is no tar, or damaged")
    return block


def _exactly(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise TarError("it ends too early")
    return data


def _skip_padding(file: IO[bytes], size: int) -> None:
    _exactly(file, -size % _BLOCK)


def _number(field: bytes) -> int:
    """Octal digits, or, for what is larger than they can say, GNU's binary."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if not digits or any(digit not in b"01234567" for digit in digits):
        raise TarError("a number in it is none")
    return int(digits, 8)


def _name(header: bytes) -> bytes:
    prefix = header[345:500].split(b"\0")[0] if header[257:262] == b"ustar" and header[262:263] == b"\0" else b""
    name = header[:100].split(b"\0")[0]
    return prefix + b"/" + name if prefix else name


def _text(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise TarError("a name in it is no text") from None
