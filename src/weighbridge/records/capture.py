"""Which exchanges keep their bodies, and what of them: a share by id, redacted, and no larger than agreed."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

import msgspec

Redact = Callable[[bytes], bytes]

MOST_BYTES: Final = 2**20


class Bodies(NamedTuple):
    """For `Exchange.request`, `.reply` and `.capture`. `mark` "cut": too large, so neither body was kept."""

    request: str | None = None
    reply: str | None = None
    mark: Literal["cut"] | None = None


class Capture:
    """`share` from 0 to 1 of the exchanges; which ones depends on their ids alone, so that every worker, and a shadow
    asked about its original's id, decides alike. `rng` gives the salt: a share drawn elsewhere from the same ids is
    then another one. `redact` gets JSON and gives it back without personal data.
    """

    def __init__(
        self, share: float, redact: Redact, rng: random.Random | None = None, *, most_bytes: int = MOST_BYTES
    ) -> None:
        self.share = share
        self._redact = redact
        self._salt = rng.randbytes(8) if rng is not None else b""
        self._below = round(share * 2**32)
        self._most_bytes = most_bytes

    def wants(self, exchange_id: str) -> bool:
        """Ask before bodies are held on to."""
        if self.share <= 0:
            return False
        drawn = hashlib.blake2b(exchange_id.encode(), digest_size=4, key=self._salt).digest()
        return int.from_bytes(drawn) < self._below

    def bodies(self, request: bytes, reply: bytes | None) -> Bodies:
        """What to record of an exchange that is wanted. Never raises: a body that cannot be redacted is not kept."""
        if len(request) > self._most_bytes or (reply is not None and len(reply) > self._most_bytes):
            return Bodies(mark="cut")
        both = None if reply is None else self._together(request, reply)
        if both is not None:
            return both
        asked = self._redacted(request)
        if asked is None:
            return Bodies()
        return Bodies(asked, None if reply is None else self._redacted(reply))

    def _together(self, request: bytes, reply: bytes) -> Bodies | None:
        """Redacted as one document, so that what was the same in both gets the same placeholder."""
        redacted = self._redacted(b"[" + request + b"," + reply + b"]")
        try:
            asked, answered = () if redacted is None else msgspec.json.decode(redacted, type=tuple[msgspec.Raw, ...])
        except ValueError:  # one of them is no JSON, or not one value
            return None
        return Bodies(_text(bytes(asked)), _text(bytes(answered)))

    def _redacted(self, body: bytes) -> str | None:
        try:
            return _text(self._redact(body))
        except Exception:  # noqa: BLE001 -- rather no sample than one with personal data, or a failed request
            return None


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")
