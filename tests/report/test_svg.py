"""Scales and ticks hold the data, and marks differ by more than colour."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.report.svg import SHAPES, Scale, chart, marker, scale_for, stairs, text

POSITIVE = st.floats(min_value=1e-7, max_value=1e5)


@given(st.lists(POSITIVE, min_size=1, max_size=8))
def test_a_scale_holds_every_value_and_has_ticks_inside_itself(values: list[float]) -> None:
    scale = scale_for(values, 10, 500)
    assert all(10 <= scale(value) <= 500 for value in values)
    ticks = scale.ticks()
    assert all(scale.low <= tick * (1 + 1e-9) and tick <= scale.high * (1 + 1e-9) for tick in ticks)
    assert 1 <= len(ticks) <= 16


def test_wide_data_is_drawn_by_logarithm() -> None:
    scale = scale_for([0.001, 1.0], 0, 100)
    assert scale.log
    assert scale(math.sqrt(0.001)) == pytest.approx(50, abs=0.1)
    assert not scale_for([0.5, 1.0], 0, 100).log


def test_values_outside_are_drawn_at_the_edge() -> None:
    assert Scale(0, 1, 0, 100)(7) == 100


def test_neighbouring_candidates_differ_in_shape() -> None:
    drawn = [marker(0, 0, place).replace(f"c{place}", "") for place in range(len(SHAPES))]
    assert len(set(drawn)) == len(SHAPES)


def test_data_is_escaped_in_text_title_and_description() -> None:
    hostile = '<script>alert("x")</script>'
    drawn = chart(10, 10, hostile, hostile, [text(0, 0, hostile)], "x")
    assert "<script" not in drawn
    assert drawn.count("&lt;script&gt;") == 3
    assert 'role="img" aria-labelledby="x-t x-d"' in drawn


def test_stairs_go_along_before_they_go_up() -> None:
    assert stairs([(0, 0), (1, 5)]) == [(0, 0), (1, 0), (1, 5)]
    assert stairs([]) == []
