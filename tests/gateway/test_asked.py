"""A client's body with another model's name: the same request in every other respect, or encoded anew."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.gateway.asked import Asked

WORDS = st.sampled_from(["model", '"model"', '"model":"it"', "it", "m\\u006fdel", "\\\\", "é", "x", "messages", ""])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
SPACES = st.sampled_from([None, 1])
SEPARATORS = st.sampled_from([(",", ":"), (", ", ": "), (" , ", " :\n")])


def said(fields: dict[str, Any], indent: int | None, separators: tuple[str, str], *, ascii_only: bool) -> bytes:
    return json.dumps(fields, indent=indent, separators=separators, ensure_ascii=ascii_only).encode()


@given(st.dictionaries(WORDS, VALUES, max_size=4), st.integers(0, 4), SPACES, SEPARATORS, st.booleans())
def test_only_the_models_name_is_another(
    others: dict[str, Any], place: int, indent: int | None, separators: tuple[str, str], ascii_only: bool
) -> None:
    """Wherever it stands, whatever else is called so, however it is written."""
    items = [item for item in others.items() if item[0] not in {"model", "stream", "stream_options"}]
    fields = dict([*items[:place], ("model", "it"), *items[place:]])
    named = Asked("chat", said(fields, indent, separators, ascii_only=ascii_only)).naming(b'"gpt"')
    if named is not None:
        assert json.loads(named) == fields | {"model": "gpt"}


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"it","messages":[]}',
        b'{"messages":[{"role":"user","content":"the \\"model\\" is it"}],"model": "it"}',
        '{"model":"été","messages":[]}'.encode(),
        b'{"model":"it"}',
    ],
)
def test_what_clients_send_is_not_encoded_anew(body: bytes) -> None:
    named = Asked("chat", body).naming(b'"gpt"')
    assert named is not None
    assert json.loads(named) == json.loads(body) | {"model": "gpt"}


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"mini","model":"it"}',
        b'{"m\\u006fdel":"it","metadata":{"model":"it"}}',
        b'{"m\\u006Fdel":"it","x":[{"model":"it"}]}',
        b'{"metadata":{"model":"it"},"model":"it"}',
        b'{"x":"model","model":"it"}',
    ],
)
def test_where_the_name_is_not_plain_to_see_nothing_is_guessed(body: bytes) -> None:
    """A name left as it was would let a client choose the provider's model itself."""
    assert Asked("chat", body).naming(b'"gpt"') is None


def test_a_streams_wish_for_its_usage_stands_first() -> None:
    asked = Asked("chat", b' {"model":"it","stream":true}')
    named = asked.naming(b'"gpt"', b'"stream_options":{"include_usage":true},')
    assert named == b' {"stream_options":{"include_usage":true},"model":"gpt","stream":true}'
