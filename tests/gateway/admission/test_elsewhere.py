"""Limits over several machines, which tell each other what they counted."""

from pathlib import Path

import pytest
from tests.gateway.admission.fleets import NOW, machine, machines, run
from tests.gateway.admission.servers import Server

from weighbridge.gateway.admission.denied import Denied
from weighbridge.gateway.admission.elsewhere import Turns
from weighbridge.gateway.admission.grant import Grant
from weighbridge.gateway.admission.rules import Rules, limit


def test_windows_and_gates_see_the_other_machines(server: Server) -> None:
    rules = Rules((limit("requests", "5/min"), limit("tokens", "100/min"), limit("concurrent", 3)))
    who = Grant("app", "app", rules=rules)

    async def main() -> None:
        async with machines(server, 2) as (first, second):
            tickets = [first._admission.admit(who, "e", tokens=30, usd=0, now=NOW) for _ in range(2)]
            second._admission.admit(who, "e", tokens=10, usd=0, now=NOW)
            for fleet in (first, second, first):
                await fleet.sync(NOW)
            for fleet in (first, second):
                with pytest.raises(Denied, match="at a time"):
                    fleet._admission.admit(who, "e", tokens=0, usd=0, now=NOW)
            for ticket in tickets:
                ticket.settle(30)
            for fleet in (first, second, second):
                await fleet.sync(NOW)
            last = second._admission.admit(who, "e", tokens=30, usd=0, now=NOW + 1)
            assert b"remaining-requests: 1\r\n" in last.headers
            assert b"remaining-tokens: 0\r\n" in last.headers
            await second.sync(NOW + 70)
            assert b"remaining-requests: 4" in second._admission.admit(who, "e", tokens=0, usd=0, now=NOW + 70).headers

    run(main)


def test_counts_are_told_again_to_a_server_that_lost_them(server: Server) -> None:
    who = Grant("app", "app", rules=Rules((limit("requests", "5/min"),)))

    async def main() -> None:
        async with machines(server, 2) as (first, second):
            second._admission.admit(who, "e", tokens=0, usd=0, now=NOW)
            for _ in range(4):
                first._admission.admit(who, "e", tokens=0, usd=0, now=NOW)
            for fleet in (first, second):
                fleet._elsewhere._turns = Turns(0), Turns(0)  # else it is told by and by in any case
            await first.sync(NOW)
            server.say("FLUSHALL")
            for fleet in (first, second):
                await fleet.sync(NOW)
            with pytest.raises(Denied):
                second._admission.admit(who, "e", tokens=0, usd=0, now=NOW)

    run(main)


def test_a_machine_that_let_nothing_in_yet_knows_what_the_others_did(server: Server) -> None:
    who = Grant("app", "app", rules=Rules((limit("requests", "5/min"), limit("concurrent", 4))))

    async def main() -> None:
        async with machines(server, 2) as (busy, idle):
            idle._admission.admit(who, "e", tokens=0, usd=0, now=NOW - 3600).settle(0, 0)  # it knows of the limits
            tickets = [busy._admission.admit(who, "e", tokens=0, usd=0, now=NOW) for _ in range(4)]
            for fleet in (busy, idle):
                await fleet.sync(NOW)
            with pytest.raises(Denied, match="4 at a time"):
                idle._admission.admit(who, "e", tokens=0, usd=0, now=NOW)
            for ticket in tickets:
                ticket.settle(0, 0)
            for fleet in (busy, idle):
                await fleet.sync(NOW)
            idle._admission.admit(who, "e", tokens=0, usd=0, now=NOW)
            with pytest.raises(Denied, match="5 requests/min"):
                idle._admission.admit(who, "e", tokens=0, usd=0, now=NOW)

    run(main)


def test_what_others_had_in_flight_is_forgotten_when_the_server_stays_away(server: Server) -> None:
    who = Grant("app", "app", rules=Rules((limit("concurrent", 1),)))

    async def main() -> None:
        async with machines(server, 2) as (busy, other):
            other._admission.admit(who, "e", tokens=0, usd=0, now=NOW).settle(0, 0)
            busy._admission.admit(who, "e", tokens=0, usd=0, now=NOW)
            for fleet in (busy, other):
                await fleet.sync(NOW)
            server.stop()
            for later in (1, 5):
                assert not await other.sync(NOW + later)
                with pytest.raises(Denied):
                    other._admission.admit(who, "e", tokens=0, usd=0, now=NOW + later)
            assert not await other.sync(NOW + 6)
            other._admission.admit(who, "e", tokens=0, usd=0, now=NOW + 6)
            server.start()

    run(main)


def test_what_was_heard_before_the_gateway_was_killed_is_forgotten_too(server: Server, tmp_path: Path) -> None:
    who = Grant("app", "app", rules=Rules((limit("concurrent", 1),)))
    server.stop()

    async def main() -> None:
        admission, fleet = machine(server, tmp_path)
        admission.admit(who, "e", tokens=0, usd=0, now=NOW).settle(0, 0)
        (gate,) = admission.limits.board.rows("c:").values()
        gate[0] = 1
        for later in (0, 6):
            with pytest.raises(Denied):
                admission.admit(who, "e", tokens=0, usd=0, now=NOW + later)
            await fleet.sync(NOW + later)
        admission.admit(who, "e", tokens=0, usd=0, now=NOW + 6)
        await fleet.close()
        admission.close()

    run(main)
    server.start()


def test_of_many_that_are_idle_each_has_its_turn() -> None:
    turns = Turns(4)
    names = [str(number) for number in range(10)]
    assert [turns.of(names) for _ in range(3)] == [names[:4], names[4:8], [*names[8:], *names[:2]]]
    assert turns.of(names[:3]) == names[:3]
