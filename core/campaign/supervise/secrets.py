"""Take secrets out of an output, also those that two chunks share."""

from __future__ import annotations

import re2

from campaign.records import MASK

_MASK = MASK.encode()


class Masker:
    """Replaces secrets in a stream of bytes; what might be the beginning of one waits for the next chunk."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        """``secrets`` as ``secrets_of`` gives them: at least one, none empty."""
        self._secrets = sorted((each.encode() for each in secrets), key=len, reverse=True)
        self._pattern = re2.compile(b"|".join(re2.escape(each) for each in self._secrets))
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """The masked bytes that are certain by now."""
        data = self._held + chunk
        certain = self._certain(data)
        done, end = self._replace(data, certain)
        self._held = data[end:]
        return done

    def flush(self) -> bytes:
        """What still waited: the stream is over."""
        done, _ = self._replace(self._held, len(self._held))
        self._held = b""
        return done

    def _replace(self, data: bytes, certain: int) -> tuple[bytes, int]:
        """Mask every secret that begins before ``certain``; returns the text and where it ends in ``data``."""
        if not any(each in data for each in self._secrets):
            return data[:certain], certain
        pieces, at = [], 0
        for match in self._pattern.finditer(data):
            if match.start() >= certain:
                break
            pieces += [data[at : match.start()], _MASK]
            at = match.end()
        end = max(at, certain)
        return b"".join((*pieces, data[at:end])), end

    def _certain(self, data: bytes) -> int:
        """Where the longest end of ``data`` starts that may be the beginning of a secret."""
        longest = min(len(data), len(self._secrets[0]) - 1)
        for length in range(longest, 0, -1):
            end = data[-length:]
            if any(each.startswith(end) and len(each) > length for each in self._secrets):
                return len(data) - length
        return len(data)
