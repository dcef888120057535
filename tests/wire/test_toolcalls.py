"""Tool calls put together from what providers send."""

from typing import Any

import pytest

from weighbridge.wire.toolcalls import ToolCalls
from weighbridge.wire.views import ToolCallView


@pytest.mark.parametrize("odd", [True, 5, None, ["x"], 1.5])
def test_a_custom_call_whose_fields_are_no_text_is_a_call_without_them(odd: Any) -> None:
    calls = ToolCalls()
    assert not calls.add([ToolCallView(index=0, id="c", custom={"name": odd, "input": odd})])
    found = calls.read()[0]
    assert (found.id, found.name, found.arguments) == ("c", "", "")


def test_a_custom_calls_input_is_its_arguments() -> None:
    calls = ToolCalls()
    assert calls.add([ToolCallView(index=0, id="c", custom={"name": "run", "input": "ls"})])
    assert calls.add([ToolCallView(index=0, custom={"input": " -l"})])
    found = calls.read()[0]
    assert (found.name, found.arguments) == ("run", "ls -l")
