"""Calls of tools in a chat's stream, one after the other, as Anthropic's stream has its blocks.

Servers number fragments well, all 0, or not at all; some interleave calls. A call that begins while another is not
whole yet waits, with what comes of it, until that one is: so blocks never overlap, and nothing is lost.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from weighbridge.wire.toolcalls import arguments_text
from weighbridge.wire.translation import sent

_UNDECODABLE: Final = (msgspec.DecodeError, RecursionError, UnicodeError)


class Call:
    """One call. `pieces` are its arguments so far; `told` of them are in events already; `done` once its
    block has ended."""

    __slots__ = ("done", "id", "name", "pieces", "told")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.pieces: list[str] = []
        self.told = 0
        self.done = False

    def untold(self) -> str:
        """Arguments that no event has yet; they count as told from now on."""
        text = "".join(self.pieces[self.told :])
        self.told = len(self.pieces)
        return text

    @property
    def whole(self) -> bool:
        """True where the arguments are JSON that has ended."""
        try:
            msgspec.json.decode("".join(self.pieces))
        except _UNDECODABLE:
            return False
        return True


class Calls:
    """The calls of one stream. `current` is the one whose block is open."""

    __slots__ = ("_all", "_by_index", "_waiting", "current")

    def __init__(self) -> None:
        self.current: Call | None = None
        self._all: list[Call] = []
        self._by_index: dict[int, Call] = {}
        self._waiting: list[Call] = []

    def __bool__(self) -> bool:
        return bool(self._all)

    def add(self, fragment: dict[str, Any]) -> None:
        """Takes one fragment in. Raises Unreadable for what is none, and for more of a call that has ended."""
        function = sent.object(fragment.get("function"), "function")
        custom = sent.object(fragment.get("custom"), "custom")
        id_ = sent.text(fragment.get("id"), "id")
        name = sent.text(function.get("name", custom.get("name")), "name")
        arguments = function.get("arguments", custom.get("input"))
        if arguments is not None and not isinstance(arguments, str | dict):
            raise sent.fail("arguments are neither text nor an object")
        text = arguments_text(sent.bounded(arguments, "arguments"))
        call = self._place(fragment.get("index"), id_, name)
        call.id = call.id or id_  # some send a new one with each fragment (litellm PR#40040)
        call.name = call.name or name
        if not text:
            return
        if call.done and text.strip():
            raise sent.fail("more arguments of a call that had ended")
        call.pieces.append(text)

    def _place(self, index: Any, id_: str, name: str) -> Call:
        if index is not None and not isinstance(index, int):
            raise sent.fail("index of a call is no number")
        known = self._by_index.get(index) if index is not None else self._without_index(id_, name)
        another = known is not None and name and id_ and known.name and known.id != id_ and known.pieces
        if known is not None and not another:
            return known
        call = Call()
        self._all.append(call)
        self._waiting.append(call)
        if index is not None:
            self._by_index[index] = call
        return call

    def _without_index(self, id_: str, name: str) -> Call | None:
        if id_:
            for call in self._all:
                if call.id == id_:
                    return call
            if name:
                return None
        return self._all[-1] if self._all else None

    def next(self, *, at_end: bool) -> Call | None:
        """The call whose block is to begin now, and is `current` from now on; None where that is not yet."""
        if not self._waiting:
            return None
        if not at_end and (not self._waiting[0].name or (self.current is not None and not self.current.whole)):
            return None
        self.end()
        self.current = self._waiting.pop(0)
        return self.current

    def end(self) -> None:
        """The current call has ended."""
        if self.current is not None:
            self.current.done = True
            self.current = None
