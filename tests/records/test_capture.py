"""Which bodies are kept: the agreed share, the same everywhere, redacted and bounded."""

import random
import re

import msgspec
import pytest

from weighbridge.records.capture import Bodies, Capture
from weighbridge.records.noting import new_id


def same(body: bytes) -> bytes:
    return body


def test_the_share_is_the_one_asked_for_and_every_worker_decides_alike() -> None:
    ids = [new_id(1.7e9 + second) for second in range(20_000)]
    wanted = [Capture(0.05, same).wants(name) for name in ids]
    assert wanted == [Capture(0.05, same).wants(name) for name in ids]
    assert 850 <= sum(wanted) <= 1150
    assert all(Capture(1.0, same).wants(name) for name in ids)
    assert not any(Capture(0.0, same).wants(name) for name in ids)


def test_another_salt_draws_another_share() -> None:
    ids = [new_id(1.7e9 + second) for second in range(4000)]
    one, other = (Capture(0.5, same, random.Random(seed)) for seed in (1, 2))
    both = sum(one.wants(name) and other.wants(name) for name in ids)
    assert 850 <= both <= 1150


def test_a_larger_share_holds_the_smaller_one() -> None:
    ids = [new_id(1.7e9 + second) for second in range(2000)]
    assert all(Capture(0.3, same).wants(name) for name in ids if Capture(0.1, same).wants(name))


def test_bodies_are_redacted() -> None:
    capture = Capture(1.0, lambda body: body.replace(b"ann@x.io", b"<email:1>"))
    assert capture.bodies(b'"ann@x.io"', b'"to ann@x.io"') == Bodies('"<email:1>"', '"to <email:1>"')
    assert capture.bodies(b"1", None) == Bodies("1")


@pytest.mark.parametrize(("request_", "reply"), [(b"x" * 11, b"y"), (b"x", b"y" * 11)])
def test_a_large_body_is_marked_and_neither_is_kept(request_: bytes, reply: bytes) -> None:
    capture = Capture(1.0, same, most_bytes=10)
    assert capture.bodies(request_, reply) == Bodies(mark="cut")
    assert capture.bodies(request_[:10], reply[:10]).mark is None


def test_request_and_reply_are_redacted_as_one_so_that_placeholders_agree() -> None:
    def numbering(body: bytes) -> bytes:
        names: dict[bytes, bytes] = {}
        return re.sub(rb"\w+@\w+", lambda found: names.setdefault(found[0], b"<%d>" % len(names)), body)

    capture = Capture(1.0, numbering)
    found = capture.bodies(b'{"a": "x@y for u@v"}', b'"u@v"')
    assert (found.request, found.reply) == ('{"a": "<0> for <1>"}', '"<1>"')


def strict(body: bytes) -> bytes:
    """A redactor that takes nothing but JSON."""
    return msgspec.json.encode(msgspec.json.decode(body))


@pytest.mark.parametrize("reply", [b"<html>", b"1],[2", b"", b"1,2"])
def test_a_reply_that_is_no_json_is_not_kept(reply: bytes) -> None:
    assert Capture(1.0, strict).bodies(b'{"a": 1}', reply) == Bodies('{"a":1}')


def test_what_cannot_be_redacted_is_not_kept() -> None:
    def broken(body: bytes) -> bytes:
        raise RecursionError

    assert Capture(1.0, broken).bodies(b"secret", b"secret") == Bodies()
    assert Capture(1.0, strict).bodies(b"secret", b"{}") == Bodies()


def test_bytes_that_are_no_text_are_kept_readable() -> None:
    assert Capture(1.0, same).bodies(b"\xffa", None).request == "\ufffda"
