"""From a configuration's settings to a scorer's own."""

from typing import Any

import pytest

from weighbridge.errors import UsageError
from weighbridge.scorers.exact import Settings
from weighbridge.scorers.settings import read


def test_nothing_is_the_defaults() -> None:
    assert read("it", None, Settings) == Settings()
    assert read("it", {"case": True}, Settings) == Settings(case=True)


@pytest.mark.parametrize(
    "settings", [{"cas": True}, {"case": "yes"}, {"case": 1}, {"expected": "Paris"}, "Paris", ["Paris"]]
)
def test_what_does_not_fit_is_one_line_with_the_settings_there_are(settings: Any) -> None:
    with pytest.raises(UsageError) as caught:
        read("right", settings, Settings)
    line = str(caught.value)
    assert line.startswith("scorer right: ")
    assert line.endswith("Its settings are: case, space, punctuation, expected")
    assert "\n" not in line
