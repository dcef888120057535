"""kill -9 under load: what was appended more than 50 ms before is in the record."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

from weighbridge.records.exchange import Exchange
from weighbridge.records.segments import live, records

_KILLS = 25
_PROMISED = 0.05


def promised(killed: float, appended: list[float]) -> int:
    """How many exchanges must be there. A machine that gave the process no time to run is no fault of the recorder's:
    such pauses, seen as gaps between appends, are taken off."""
    lately = [at for at in appended if at > killed - 1.0]
    pauses = sum(gap for one, next_ in pairwise([*lately, killed]) if (gap := next_ - one) > 0.01)
    return sum(at < killed - _PROMISED - pauses for at in appended)


def test_kill_loses_at_most_fifty_milliseconds(tmp_path: Path) -> None:
    program = Path(__file__).with_name("killing.py")
    said = subprocess.run(
        [sys.executable, program, tmp_path, str(_KILLS), "1"], check=True, capture_output=True, text=True
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
        must = promised(each["killed"], each["appended"])
        assert len(found) >= must
        held += must
    assert held > 1000, "the kills came too early to show anything"
