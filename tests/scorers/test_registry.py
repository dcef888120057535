"""Scorers by name, and their settings."""

from pathlib import Path
from typing import Any

import pytest
from tests.scorers.judging import expecting

from weighbridge.errors import UsageError
from weighbridge.scorers.registry import KINDS, build, build_spec
from weighbridge.wire.answer import Answer


def test_every_kind_is_there_by_its_name() -> None:
    assert list(KINDS) == [
        *("exact", "contains", "regex", "numeric", "choice", "json_schema", "json_fields"),
        *("python", "length", "latency", "all_of", "any_of"),
    ]


@pytest.mark.parametrize("kind", ["exact", "contains", "numeric", "choice", "json_schema", "json_fields"])
def test_no_settings_are_written_as_nothing_or_as_an_empty_mapping(kind: str) -> None:
    """In YAML `right: {exact: }` gives null."""
    empty: list[dict[str, object] | None] = [None, {}]
    for settings in empty:
        assert build("it", kind, settings, base=Path()).name == "it"


def test_a_kind_nobody_knows_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        build("it", "json_shema", {}, base=Path())
    assert str(caught.value) == "no scorer is of the kind 'json_shema'. Did you mean json_schema?"
    with pytest.raises(UsageError, match="There are: exact, contains"):
        build("it", "zzz", {}, base=Path())


@pytest.mark.parametrize("spec", [None, "exact", [], {}, {"exact": {}, "regex": "a"}])
def test_a_scorer_is_one_kind_with_its_settings(spec: Any) -> None:
    with pytest.raises(UsageError, match="scorer it must be one entry of the form"):
        build_spec("it", spec, base=Path())


def test_a_text_is_short_for_the_one_setting_that_matters() -> None:
    assert build_spec("it", {"regex": "a+"}, base=Path()).score(expecting(), Answer(text="caat")).extracted == "aa"
