"""Texts that may have one answer, and texts that look as if they might."""

import pytest

from weighbridge.gateway.meaning import MOST_CHARACTERS, Meaning, meaning, same


def alike(one: str, other: str, *, near: bool) -> bool:
    """By words alone: `near` is what the embedding is made to say of any two."""
    first, second = meaning(one), meaning(other)
    assert first is not None
    assert second is not None
    assert Meaning.of(first.text) == first
    return same(first, second, lambda *_: near) and same(second, first, lambda *_: near)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How do I reset my password?", "how can I reset my password"),
        ("What's the capital of France?", "What is the capital of France"),
        ("Could you please summarize this article?", "Summarize this article."),
        ("I can't log in", "I cannot log in!"),
        ("I’d like it to work", "I'd like it to work"),
        ("Hello, where is my order?", "Where's my order?"),
        ("i would like to cancel the order", "I want to cancel order"),
        ("Convert 5 km to mi", "convert 5 km to mi, please"),
    ],
)
def test_the_same_in_other_words_is_the_same(one: str, other: str) -> None:
    assert alike(one, other, near=False)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cancel my order", "do not cancel my order"),
        ("Cancel my order", "Don't cancel my order"),
        ("my card was charged", "my card was never charged"),
        ("I have access", "I have no access"),
        ("can I travel with a visa", "can I travel without a visa"),
        ("it works", "it won't work"),
        ("Refund within 5 days", "Refund within 7 days"),
        ("five items", "six items"),
        ("version 1.2", "version 1.3"),
        ("on 2027-01-31", "on 2027-01-30"),
        ("pay $5", "pay €5"),
        ("is it 50%", "is it 5%"),
        ("from 5 to 7", "from 7 to 5"),
        ("2 + 2", "2 - 2"),
        ("convert usd to eur", "convert eur to usd"),
        ("flights from London to Paris", "flights from Paris to London"),
        ("dog bites man", "man bites dog"),
        ("he paid her", "she paid him"),
        ("what is my name", "what is your name"),
        ("is this legal", "is this illegal"),
        ("an inbound call", "an outbound call"),
        ("how do I import data", "how do I export data"),
        ("encrypt the file", "decrypt the file"),
        ("lock the door", "unlock the door"),
        ("a gift for my husband", "a gift for my wife"),
        ("open on monday", "open on tuesday"),
        ("3 hours", "3 weeks"),
        ("flights in january", "flights in february"),
        ("cancel my order", "cancel my orders"),
        ("the IT department", "the it department"),
        ("may I do it", "must I do it"),
        ("more than before", "less than before"),
        ("cancel my order", "cancel my last order"),
        ("delete user anna@example.com", "delete user anne@example.com"),
        ("read /etc/hosts", "read /etc/passwd"),
        ("我要取消订单", "我不要取消订单"),
        ("ich will es", "du willst es"),
    ],
)
def test_what_an_embedding_takes_for_the_same_and_is_not_is_told_apart(one: str, other: str) -> None:
    """Negations, numbers, order, opposites, one word more: even where every two words are said to be near."""
    assert not alike(one, other, near=True)


def test_a_word_may_stand_for_one_that_is_near_it() -> None:
    assert alike("where can I buy stamps", "where can I purchase stamps", near=True)
    assert not alike("where can I buy stamps", "where can I purchase stamps", near=False)


def test_few_words_may_be_exchanged_and_not_the_whole_text() -> None:
    assert not alike("quick brown foxes", "speedy auburn vixens", near=True)


@pytest.mark.parametrize("text", ["", "   ", "???", "please", "x" * (MOST_CHARACTERS + 1), "word " * 150])
def test_a_text_that_says_nothing_or_too_much_is_not_compared(text: str) -> None:
    """Of a long text, the sum of its words says nothing of its details."""
    assert meaning(text) is None
