"""Sanitizers of C, C++, Rust and Swift, and libFuzzer: ``ERROR: AddressSanitizer: …`` and its first stack."""

from __future__ import annotations

from collections.abc import Sequence

import re2

from campaign.judge.fingerprint.forms import Form, Found, noise
from campaign.judge.fingerprint.names import function

_HEAD = re2.compile(r"(?:ERROR|WARNING): (\w*Sanitizer|libFuzzer): (?:attempting )?(.*)")
_UBSAN = re2.compile(r"^\S+:\d+(?::\d+)?: runtime error: (.*)")
#: Words of the headline up to what differs: addresses, sizes, the process.
_REST = re2.compile(r"(?:\s+(?:on|in|at|for|from|of)\b|\s*[:(]|\s+0x|\s+\d).*$")
_ACCESS = re2.compile(r"\b(READ|WRITE|Read|Write|read|write) (?:of size|memory access)|caused by a (READ|WRITE)")
_FRAME = re2.compile(r"^\s*#(\d+) +(?:0x[0-9a-f]+ +)?(?:in +)?(\S.*)$")
_PLACE = re2.compile(
    r"(?: +|^)(?:\(?(?:[/<][^ ]*|[A-Za-z]:\\[^ ]*|[\w.+-]+(?:/[^ ]*)?\.\w+:\d+[:\d]*|\S+\+0x[0-9a-f]+\)?).*)$"
)
_SUMMARY = re2.compile(r"^SUMMARY: \w+: \S+ .* in (\S.*)$")

_ADDRESS = re2.compile(r"address (?:0x)?([0-9a-fA-F]+)\b")
_NEAR_NULL = 1 << 16
_ACCESSES = frozenset({"SEGV", "BUS", "access-violation"})
#: Whichever sanitizer reports them, they are the process's own end.
_SIGNALS = frozenset({"ABRT", "ILL", "FPE", "TRAP"})

NOISE = noise(
    starts="""
    interceptor_ wrap_ asan_ msan_ tsan_ lsan_ ubsan_ hwasan_ sanitizer_ asan:: msan:: tsan:: lsan:: ubsan::
    hwasan:: sanitizer:: malloc calloc realloc free memalign posix_memalign aligned_alloc valloc reallocarray
    xmalloc xcalloc xrealloc g_malloc g_free g_realloc operator_new operator_delete abort raise gsignal pthread_kill
    assert GI_ fortify_fail chk_fail stack_chk_fail libc_ memcpy memmove memset memcmp memchr memrchr memmem mempcpy
    strcpy strncpy strlcpy strcat strncat strcmp strncmp strcasecmp strncasecmp strlen strnlen strchr strrchr strstr
    strdup strndup strtok strspn strcspn strpbrk wcscpy wcslen wmemcpy printf fprintf sprintf snprintf vprintf
    vfprintf vsprintf vsnprintf IO_ libc_start start_thread clone std:: core::panicking core::panic
    core::result::unwrap_failed core::option::unwrap_failed core::option::expect_failed core::rt alloc::alloc
    rust_begin_unwind rust_panic rust_oom rust_ cxa_ gnu_cxx:: libfuzzer_sys:: fuzzer::
    """,
    names="main start unknown <unknown> null (null) <null> terminate unexpected",
)


def _read(lines: Sequence[str]) -> Found | None:
    head = _HEAD.search(lines[0])
    error = _UBSAN.search(lines[0])
    if head:
        headline = _what(head.group(1), head.group(2).strip())
        access = next((match for match in map(_ACCESS.search, lines[1:6]) if match), None)
        if access:
            headline += f" {(access.group(1) or access.group(2)).lower()}"
    elif error:
        headline = f"UndefinedBehaviorSanitizer {_REST.sub('', error.group(1))}"
    else:
        return None
    frames = tuple(stack_of(lines[1:]))
    if not frames:
        found = next((match for match in map(_SUMMARY.search, lines) if match), None)
        frames = (function(found.group(1)),) if found else ()
    return Found(headline, frames, NOISE)


def _what(by: str, said: str) -> str:
    """What happened: the sanitizer's own word, but for an access to memory and for what ended the process anyway.

    Of one access beyond an object it is chance whether it hits the zone behind the object (``heap-buffer-overflow``) or
    memory that nobody has (``SEGV``).  A null pointer is another mistake, and told by an address near zero.
    """
    what = _REST.sub("", said)
    if what in _ACCESSES:
        address = _ADDRESS.search(said)
        return "null dereference" if address and int(address.group(1), 16) < _NEAR_NULL else "access out of bounds"
    if what.endswith("-buffer-overflow"):
        return "access out of bounds"
    return f"signal {what}" if what in _SIGNALS else f"{by} {what}".strip()


def stack_of(lines: Sequence[str]) -> list[str]:
    """The functions of the first stack; a second one has another number 0."""
    names: list[str] = []
    for line in lines:
        match = _FRAME.search(line)
        if match is None:
            if names and not line.strip():
                break
            continue
        if match.group(1) == "0" and names:
            break
        name = function(_PLACE.sub("", match.group(2)))
        if name:
            names.append(name)
    return names


FORM = Form("sanitizer", r"(?:ERROR|WARNING): (?:\w+Sanitizer|libFuzzer): |: runtime error: ", _read)
