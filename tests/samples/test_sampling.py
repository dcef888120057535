"""Drawing samples and leaving out doubles."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.samples.sample import Sample
from weighbridge.samples.sampling import distinct, take


def asking(text: Any, *tags: str) -> Sample:
    return Sample(request={"messages": [{"role": "user", "content": text}]}, tags=tags)


SETS = st.lists(st.sampled_from(["bill", "ship", "return", ""]), min_size=1, max_size=60).map(
    lambda tags: [asking(f"Question {number}", *([tag] if tag else [])) for number, tag in enumerate(tags)]
)


@given(SETS, st.integers(1, 60), st.integers(0, 5))
def test_by_tag_every_share_is_kept_within_one(samples: list[Sample], count: int, seed: int) -> None:
    drawn = take(samples, count, stratify="tag", seed=seed)
    assert len(drawn) == min(count, len(samples))
    whole, part = Counter(sample.tags for sample in samples), Counter(sample.tags for sample in drawn)
    for tags, size in whole.items():
        assert abs(part[tags] - min(count, len(samples)) * size / len(samples)) < 1


@given(SETS, st.integers(1, 60))
def test_equally_no_tag_gets_more_than_one_above_another_that_has_more_to_give(
    samples: list[Sample], count: int
) -> None:
    drawn = take(samples, count, stratify="tag", equal=True)
    assert len(drawn) == min(count, len(samples))
    whole, part = Counter(sample.tags for sample in samples), Counter(sample.tags for sample in drawn)
    most = max(part.values())
    assert all(part[tags] >= most - 1 or part[tags] == size for tags, size in whole.items())


@given(SETS, st.integers(1, 60), st.randoms(use_true_random=False))
def test_the_draw_does_not_depend_on_the_order_of_the_file(samples: list[Sample], count: int, dice: Any) -> None:
    shuffled = samples[:]
    dice.shuffle(shuffled)
    one = take(samples, count, stratify="tag")
    assert {sample.id for sample in one} == {sample.id for sample in take(shuffled, count, stratify="tag")}
    assert [sample for sample in samples if sample in one] == one  # in the order given


def test_equal_seeds_draw_the_same_and_others_draw_others() -> None:
    samples = [asking(f"Question {number}") for number in range(200)]
    assert take(samples, 20, seed=1) == take(samples, 20, seed=1)
    assert take(samples, 20, seed=1) != take(samples, 20, seed=2)


def test_a_larger_draw_holds_the_smaller_one() -> None:
    """More of the same file adds to what was paid for already."""
    samples = [asking(f"Question {number}") for number in range(200)]
    few, many = take(samples, 20), take(samples, 50)
    assert all(sample in many for sample in few)


def test_equal_samples_in_the_list_do_not_make_the_draw_larger() -> None:
    assert len(take([asking("Hello")] * 10, 3)) == 3


def test_a_set_of_tags_is_a_stratum_whatever_its_order() -> None:
    samples = [asking("1", "a", "b"), asking("2", "b", "a"), asking("3", "a"), asking("4", "a")]
    drawn = take(samples, 2, stratify="tag")
    assert sorted(len(sample.tags) for sample in drawn) == [1, 2]


def test_equal_requests_are_left_out_and_the_first_is_kept() -> None:
    samples = [asking("Hello", "first"), asking("hello"), asking("Hello", "second")]
    kept, doubles = distinct(samples)
    assert (kept, doubles) == (samples[:2], 1)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Where is order 1234?", "where is   order 99?", True),
        ("Where is my order?\nThanks", "Where is my order? Thanks", True),
        ("Tab\there", "tab here", True),
        ("Wo ist „meine“ Bestellung?", 'wo ist "meine" bestellung', True),
        ("Where is my order?", "Where was my order?", False),
        ("注文はどこですか", "注文はいつですか", False),
    ],
)
def test_near_doubles_differ_in_case_white_space_punctuation_and_digits_alone(one: str, other: str, same: bool) -> None:
    kept, doubles = distinct([asking(one), asking(other)], near=True)
    assert doubles == same
    assert len(kept) == 2 - same


def test_near_doubles_see_parts_and_other_messages() -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}
    other = {"type": "image_url", "image_url": {"url": "https://example.com/dog.png"}}
    ask = {"type": "text", "text": "What is this?"}
    assert distinct([asking([ask, picture]), asking([ask, other])], near=True)[1] == 0
    assert distinct([asking([ask, picture]), asking([{**ask, "text": "what is this"}, picture])], near=True)[1] == 1
