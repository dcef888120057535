"""kill -9 under load: what was appended more than 50 ms before is in the record."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from weighbridge.records.exchange import Exchange
from weighbridge.records.segments import live, records

_KILLS = 20
_PROMISED = 0.05


def promised(killed: float, starved: float, appended: list[float]) -> int:
    """How many exchanges must be there. Time in which the machine had no processor for a thread of the process is no
    fault of the recorder's, and is taken off: for that thread, and for those that waited for what it held."""
    return sum(at < killed - _PROMISED - 3 * starved for at in appended)


@pytest.mark.parametrize("pause", [0.001, 0.0], ids=["bursts", "never idle"])
def test_kill_loses_at_most_fifty_milliseconds(tmp_path: Path, pause: float) -> None:
    program = Path(__file__).with_name("killing.py")
    said = subprocess.run(
        [sys.executable, program, tmp_path, str(_KILLS), "1", str(pause)], check=True, capture_output=True, text=True
    )
    rounds = [json.loads(line) for line in said.stdout.splitlines()]
    assert len(rounds) == _KILLS
    held = 0
    for each in rounds:
        damaged: list[int] = []
        found = []
        for path in live(Path(each["home"])):
            with path.open("rb") as file:
                found += [
                    record
                    for record in records(file, lambda number, line, why, damaged=damaged: damaged.append(number))  # type: ignore[misc]
                    if isinstance(record, Exchange)
                ]
        assert not damaged
        assert [record.endpoint for record in found] == [str(number) for number in range(len(found))]
        must = promised(each["killed"], each["starved"], each["appended"])
        assert len(found) >= must
        held += must
    if held < 1000:
        pytest.skip("this machine has no processor to spare: nothing can be said of milliseconds")
