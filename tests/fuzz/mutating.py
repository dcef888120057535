"""Inputs that are nearly right, for as long as there is time."""

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence

SECONDS = float(os.environ.get("WEIGHBRIDGE_FUZZ_SECONDS", "15"))
"""For each target. With more, WEIGHBRIDGE_FUZZ_SEED should be another number than 0."""

SEED = int(os.environ.get("WEIGHBRIDGE_FUZZ_SEED", "0"))
_AT_LEAST = 100
_NUMBERS = (
    b"0",
    b"-1",
    b"1",
    b"4294967296",
    b"18446744073709551616",
    b"1e400",
    b"00",
    b"0x10",
    b"null",
    b"\xff",
    b"9" * 400,
)


def for_a_while(seconds: float = SECONDS) -> Iterator[random.Random]:
    """Dice, new ones each time and always the same in their order, until the time is over, and a hundred times however
    slow the machine is. Their seed is `turn` in the message of what fails within."""
    until = time.monotonic() + seconds
    turn = 0
    while turn < _AT_LEAST or time.monotonic() < until:
        dice = random.Random(f"{SEED}/{turn}")
        try:
            yield dice
        except GeneratorExit:
            return
        turn += 1


def mutated(dice: random.Random, corpus: Sequence[bytes], tokens: Sequence[bytes]) -> bytes:
    """One of the corpus with a few changes; sometimes none."""
    data = bytearray(dice.choice(corpus))
    for _ in range(dice.choice((0, 1, 1, 2, 3, 6))):
        dice.choice(_CHANGES)(dice, data, corpus, tokens)
        del data[200_000:]
    return bytes(data)


def cut(dice: random.Random, data: bytes, most: int = 6) -> list[bytes]:
    """The same bytes in a few pieces, now and then each in one of its own."""
    if dice.random() < 0.05 and len(data) < 3_000:
        return [data[n : n + 1] for n in range(len(data))]
    edges = sorted(dice.randrange(len(data) + 1) for _ in range(dice.randrange(most)))
    return [data[start:end] for start, end in zip([0, *edges], [*edges, len(data)], strict=True)]


Change = Callable[[random.Random, bytearray, Sequence[bytes], Sequence[bytes]], None]


def _place(dice: random.Random, data: bytearray) -> int:
    return dice.randrange(len(data) + 1)


def _flip(dice: random.Random, data: bytearray, corpus: Sequence[bytes], tokens: Sequence[bytes]) -> None:
    if data:
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def _insert(dice: random.Random, data: bytearray, corpus: Sequence[bytes], tokens: Sequence[bytes]) -> None:
    place = _place(dice, data)
    data[place:place] = dice.choice(tokens) if dice.random() < 0.7 else dice.randbytes(dice.randrange(1, 9))


def _remove(dice: random.Random, data: bytearray, corpus: Sequence[bytes], tokens: Sequence[bytes]) -> None:
    place = _place(dice, data)
    del data[place : place + dice.choice((1, 1, 2, 5, 20, 200))]


def _repeat(dice: random.Random, data: bytearray, corpus: Sequence[bytes], tokens: Sequence[bytes]) -> None:
    place = _place(dice, data)
    data[place:place] = data[place : place + dice.randrange(1, 60)] * dice.choice((1, 2, 50))


def _splice(dice: random.Random, data: bytearray, corpus: Sequence[bytes], tokens: Sequence[bytes]) -> None:
    other = dice.choice(corpus)
    data[_place(dice, data) :] = other[dice.randrange(len(other) + 1) :]


def _number(dice: random.Random, data: bytearray, corpus: Sequence[bytes], tokens: Sequence[bytes]) -> None:
    places = [place for place, byte in enumerate(data[:5_000]) if 48 <= byte <= 57]
    if places:
        start = dice.choice(places)
        end = start
        while end < len(data) and 48 <= data[end] <= 57:
            end += 1
        data[start:end] = dice.choice(_NUMBERS)


_CHANGES: tuple[Change, ...] = (_flip, _insert, _insert, _remove, _repeat, _splice, _number)
