"""Documents with something hostile put in place of any of their values."""

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

Path = tuple[str | int, ...]

HOSTILE: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["auto", "function", "json_schema", "text", "data:", "{", "[]", "1e999"]),
    st.lists(st.one_of(st.none(), st.integers(), st.text(max_size=3), st.just({})), max_size=3),
    st.dictionaries(
        st.sampled_from(["type", "text", "name", "index", "x"]), st.integers() | st.text(max_size=3), max_size=3
    ),
)


def places(value: Any, at: Path = ()) -> Iterator[Path]:
    """Every path into a document, its root left out."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield (*at, key)
        yield from places(inner, (*at, key))


def put(value: Any, path: Path, new: Any) -> Any:
    """The document with one of its values replaced."""
    key, *rest = path
    if isinstance(value, dict):
        return {**value, key: put(value[key], tuple(rest), new) if rest else new}
    return [
        (put(inner, tuple(rest), new) if rest else new) if place == key else inner for place, inner in enumerate(value)
    ]


def mangled(document: dict[str, Any]) -> st.SearchStrategy[Any]:
    """The document with up to two values replaced by hostile ones."""
    one = st.sampled_from(sorted(places(document), key=str))

    def twice(chosen: tuple[list[Path], list[Any]]) -> Any:
        said: Any = document
        for path, new in zip(*chosen, strict=False):
            if path in set(places(said)):
                said = put(said, path, new)
        return said

    return st.tuples(st.lists(one, min_size=1, max_size=2), st.lists(HOSTILE, min_size=2, max_size=2)).map(twice)
