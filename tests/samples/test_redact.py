"""Personal data and keys are taken out; what only looks like them stays."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.samples.redact import KINDS, Kind, Redactor, redacted
from weighbridge.samples.sample import Sample


def clean(text: str, *kinds: Kind) -> str:
    return Redactor(kinds or KINDS).text(text)


EMAILS = ["anna@example.com", "o.neil+shop@mail.example.co.uk", "x_1%y@a-b.example", "müller@bücher.example"]
PHONES = [
    "+49 151 23456789",
    "+4915123456789",
    "+1 (555) 010-9999",
    "+33.6.12.34.56.78",
    "0049 151 23456789",
    "(555) 010-9999",
    "555-010-9999",
    "555.010.9999",
    "020 7946 0958",
    "0151 2345678",
    "030/123456",
    "06 12 34 56 78",
    "06.12.34.56.78",
]
CARDS = [
    "4111111111111111",
    "4242 4242 4242 4242",
    "5555-5555-5555-4444",
    "378282246310005",
    "3782 822463 10005",
    "6011111111111117",
    "2223003122003222",
]
KEYS = [
    "sk-abcdefghijklmnopqrst1234",
    "sk-proj-Ab1_" + "x" * 60,
    "sk-ant-api03-" + "A1b2" * 12,
    "sk_live_" + "a1B2" * 6,
    "gsk_" + "a1B2" * 10,
    "hf_" + "AbCd" * 8,
    "ghp_" + "a1B2" * 9,
    "github_pat_" + "a1B2_" * 10,
    "glpat-" + "a1B2-" * 5,
    "xoxb-123456789012-abcdefABCDEF",
    "AKIAIOSFODNN7EXAMPLE",
    "AIza" + "a1B2c" * 7,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAK=\n-----END RSA PRIVATE KEY-----",
]


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        *(("email", text) for text in EMAILS),
        *(("phone", text) for text in PHONES),
        *(("card", text) for text in CARDS),
        *(("key", text) for text in KEYS),
    ],
)
@pytest.mark.parametrize(
    "around", ["{}", "It is {}, thanks.", "({})", '{{"a":"{}"}}', "a={};", "\n{}\n", "Zürich:\t{}!"]
)
def test_each_kind_is_found_wherever_it_stands(kind: Kind, found: str, around: str) -> None:
    assert clean(around.format(found)) == around.format(f"<{kind}:1>")
    others: list[Kind] = [other for other in KINDS if other != kind]
    if kind in {"email", "phone"}:
        assert clean(around.format(found), *others) == around.format(found)


@pytest.mark.parametrize("escape", ["\\n", "\\t", "\\r", "\\u00a0", "\\\\n"])
@pytest.mark.parametrize(
    ("kind", "found"), [("email", EMAILS[0]), ("phone", PHONES[0]), ("card", CARDS[0]), ("key", KEYS[0])]
)
def test_an_escape_of_json_in_front_hides_nothing_and_stays_whole(kind: Kind, found: str, escape: str) -> None:
    """A tool's arguments are JSON within a text: it must still be JSON, and the `n` of a line break is no letter."""
    assert clean(f'{{"note": "Hi{escape}{found}"}}') == f'{{"note": "Hi{escape}<{kind}:1>"}}'


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",  # fails Luhn's check
        "4111-1111 1111-1111",  # no card is written so
        "1111 1111 1111 1117",  # no issuer begins with 1
        "5555555555555555",
        "invoice 2024-000123-77",
        "1700000000000 ms since the epoch",
        "1700000000000000000",
        "2024-01-15 10:30:00",
        "2024-05-01T10:00:00+0200",
        "01.02.2024 10 11 12",
        "numbers 01 02 03 04 05 06",
        "192.168.100.200:8080",
        "550e8400-e29b-41d4-a716-446655440000",
        "ISBN 978-3-16-148410-0",
        "doi:10.1000/182.0800",
        "3.14159265358979",
        "1,234,567,890",
        "12+34567890",
        "version 1.20.300",
        "0.123456789012",
        "-4111111111111111",
        "order 12345678901234",
        "sk-learn-is-a-library-of-python",
        "task-abcdefghijklmnop1234",
        "Bearer of good news and other things",
        "@mention of a person",
        "a @ b.com",
        "user@localhost",
        "git+ssh//host",
        "AKIA is a prefix",
        "5 * 5 = 25 and 100 200 300",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert clean(text) == text


def test_equal_values_get_equal_numbers_however_they_are_written() -> None:
    redactor = Redactor()
    assert redactor.text("a@b.co, A@B.co and c@d.co") == "<email:1>, <email:1> and <email:2>"
    assert redactor.text("+49 151 2345678 or +49-151-2345678") == "<phone:1> or <phone:1>"
    assert redactor.text("4111 1111 1111 1111 = 4111111111111111") == "<card:1> = <card:1>"
    assert redactor.count == 7


def test_what_stands_right_beside_another_is_found_too() -> None:
    assert clean("+491234567890+491234567891") == "<phone:1><phone:2>"
    assert clean("a@b.co.x@y.co") == "<email:1><email:2>"


def test_a_secret_in_several_fields_is_one_and_fields_are_never_glued_together() -> None:
    """A secret split over two fields is only seen where a half of it reads like one: documented, and not guessed at."""
    whole = {"headers": {"Authorization": f"Bearer {KEYS[0]}"}, "log": [f"key={KEYS[0]}"]}
    assert Redactor().value(whole) == {"headers": {"Authorization": "Bearer <key:1>"}, "log": ["key=<key:1>"]}
    split = [{"type": "text", "text": "sk-abcdefghijklmn12"}, {"type": "text", "text": "34opqrst"}]
    assert Redactor().value(split) == [{"type": "text", "text": "<key:1>"}, {"type": "text", "text": "34opqrst"}]
    halves = {"first": "4111 1111", "second": "1111 1111"}
    assert Redactor().value(halves) == halves


def test_names_of_fields_are_cleaned_and_none_is_lost() -> None:
    value = {"a@b.co": 1, "A@b.co": 2, "other": 3}
    assert Redactor().value(value) == {"<email:1>": 1, "<email:1>'": 2, "other": 3}


def test_a_card_as_a_number_is_taken_out_and_other_numbers_stay() -> None:
    value = {"card": 4111111111111111, "id": 4111111111111112, "at": 1700000000000, "huge": 10**40, "yes": True}
    assert Redactor().value(value) == value | {"card": "<card:1>"}
    assert Redactor(["email"]).value(value) == value


def test_parameters_of_a_request_stay_numbers() -> None:
    sample = Sample(request={"messages": [{"role": "user", "content": "Hi"}], "seed": 4111111111111111})
    assert redacted([sample]) == ([sample], 0)


def test_every_part_of_a_sample_is_cleaned_and_what_was_equal_stays_equal() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "mail", "arguments": '{"to":"anna@example.com"}'}}
    sample = Sample(
        request={
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "Write to Anna@example.com"}]},
                {"role": "assistant", "content": None, "tool_calls": [call]},
            ]
        },
        expected=({"to": "anna@example.com"},),
        checks={"names": {"contains": {"text": "anna@example.com"}}},
        tags=("anna@example.com",),
        cluster="bob@example.com",
        origin={"answer": "Sent to anna@example.com"},
    )
    (found,), count = redacted([sample])
    assert b"example.com" not in json.dumps(found.request).encode()
    assert json.loads(found.request["messages"][1]["tool_calls"][0]["function"]["arguments"]) == {"to": "<email:1>"}
    assert found.expected == ({"to": "<email:1>"},)
    assert found.checks == {"names": {"contains": {"text": "<email:1>"}}}
    assert (found.tags, found.cluster) == (("<email:1>",), "<email:1>")
    assert found.origin == {"answer": "Sent to <email:1>"}
    assert count == 7


def test_a_samples_id_does_not_depend_on_its_neighbours_and_clusters_stay_apart() -> None:
    def of(name: str) -> Sample:
        request = {"messages": [{"role": "user", "content": f"I am {name}@example.com"}]}
        return Sample(request=request, cluster=f"{name}@example.com")

    both, _ = redacted([of("anna"), of("bob")])
    alone, _ = redacted([of("bob")])
    assert both[1].id == alone[0].id
    assert [sample.cluster for sample in both] == ["<email:1>", "<email:2>"]


def test_images_pass_untouched() -> None:
    """Base64 has no spaces or dots: long runs of letters and digits are no phones, cards or keys."""
    url = "data:image/png;base64," + "iVBORw0KGgoAAAANSUhEUgAA4111111111111111AAAA/+" * 2000 + "=="
    sample = Sample(
        request={"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]}
    )
    assert redacted([sample]) == ([sample], 0)


def test_a_text_of_ten_megabytes_is_cleaned() -> None:
    plain = "The quick brown fox jumps over the lazy dog, 12 times and more. " * 99
    text = (plain + "The fox of a@b.example rang +49 151 23456789 twice, and wrote. ") * 1600
    redactor = Redactor()
    found = redactor.text(text)
    assert found == text.replace("a@b.example", "<email:1>").replace("+49 151 23456789", "<phone:1>")
    assert redactor.count == 3200


@pytest.mark.parametrize(
    "text", ["a" * 200_000, "a@" * 100_000, "1 " * 100_000, "+49123456789" * 20_000, "sk-" * 70_000]
)
def test_hostile_texts_are_read_once(text: str) -> None:
    """No pattern runs in more than linear time: these would take hours if one did."""
    clean(text)


PIECES = st.lists(
    st.sampled_from([*EMAILS, *PHONES, *CARDS, *KEYS, " ", "", ".", ",", "-", "+", "\\n", "x", "7", "(", "<email:1>"])
    | st.text(max_size=4),
    max_size=8,
).map("".join)


@given(PIECES)
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    once = clean(text)
    assert clean(once) == once


@given(
    st.recursive(PIECES | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(PIECES, inner), max_leaves=6)
)
def test_values_keep_their_shape_and_redacting_them_twice_changes_nothing_more(value: Any) -> None:
    once = Redactor().value(value)
    assert Redactor().value(once) == once
    assert shape(once) == shape(value)


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return [shape(inner) for inner in value.values()]
    return [shape(inner) for inner in value] if isinstance(value, list) else None
