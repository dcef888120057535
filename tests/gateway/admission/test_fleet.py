"""Machines that share budgets by way of a real server, which may be slow, away, or have lost its data."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from tests.gateway.admission.fleets import NOW, TEN, admit, machine, machines, run, spend
from tests.gateway.admission.servers import Server, running

from weighbridge.errors import MeasurementError
from weighbridge.gateway.admission.admission import Admission
from weighbridge.gateway.admission.denied import Denied
from weighbridge.gateway.admission.fleet import Fleet
from weighbridge.gateway.admission.grant import Grant
from weighbridge.gateway.admission.rules import Rules, limit
from weighbridge.gateway.admission.valkey import Valkey


def test_three_machines_take_all_of_a_budget_and_never_more(server: Server) -> None:
    """bifrost#3547: budgets are kept by each replica, and N times overspent."""

    async def main() -> None:
        async with machines(server, 3) as fleets:
            taken, refused, now = 0, 0, NOW
            while refused < 60:
                for fleet in fleets:
                    try:
                        await spend(fleet, 0.25, now)
                        taken, refused = taken + 1, 0
                    except Denied:
                        refused += 1
                    fleet._admission.tick(now)
                    await fleet.sync(now)
                now += 0.5
            assert taken == 40

    run(main)


def test_fifty_at_once_on_each_of_two_machines(server: Server) -> None:
    """litellm#34732, litellm#40095, and across machines."""

    async def main() -> None:
        async with machines(server, 2) as fleets:
            taken = 0

            async def request(fleet: Fleet) -> None:
                nonlocal taken
                with contextlib.suppress(Denied):
                    ticket = await admit(fleet, TEN, "e", tokens=0, usd=1.0, now=NOW)
                    taken += 1
                    await asyncio.sleep(0)
                    ticket.settle(0, 1.0)

            await asyncio.gather(*(request(fleet) for _ in range(50) for fleet in fleets))
            assert 8 <= taken <= 10

    run(main)


def test_what_lies_idle_on_one_machine_goes_to_the_other(server: Server) -> None:
    async def main() -> None:
        async with machines(server, 2) as (idle, busy):
            await spend(idle, 1.0)
            with pytest.raises(Denied):
                await admit(busy, TEN, "e", tokens=0, usd=8.0, now=NOW)
            for step in range(8):
                idle._admission.tick(NOW + step / 2)
                await idle.sync(NOW + step / 2)
            await admit(busy, TEN, "e", tokens=0, usd=8.0, now=NOW + 5)
            with pytest.raises(Denied) as caught:
                await admit(busy, TEN, "e", tokens=0, usd=1.5, now=NOW + 5)
            assert "used up" not in caught.value.message, "eight dollars are under way, and may come to less"

    run(main)


def test_the_spent_budget_is_said_to_be_spent(server: Server) -> None:
    async def main() -> None:
        async with machines(server, 2) as (first, second):
            await spend(first, 10.0)
            with pytest.raises(Denied, match="used up") as caught:
                await admit(second, TEN, "e", tokens=0, usd=1.0, now=NOW)
            assert caught.value.type == "insufficient_quota"

    run(main)


def test_a_server_that_is_away_stops_money_and_nothing_else(server: Server) -> None:
    rules = Rules((limit("requests", "100/min"),))

    async def main() -> None:
        async with machines(server, 1) as (fleet,):
            await spend(fleet, 1.0)
            server.stop()
            assert not await fleet.sync(NOW)
            await spend(fleet, 2.0)
            await admit(fleet, Grant("free", "free", rules=rules), "e", tokens=0, usd=1.0, now=NOW)
            with pytest.raises(Denied) as caught:
                await admit(fleet, TEN, "e", tokens=0, usd=4.0, now=NOW)
            assert caught.value.retry_after == 1.0
            server.start()
            assert await fleet.sync(NOW + 1)
            await admit(fleet, TEN, "e", tokens=0, usd=7.0, now=NOW + 1)

    run(main)


def test_a_message_that_comes_late_is_ignored(server: Server) -> None:
    async def main() -> None:
        async with machines(server, 1) as (fleet,):
            await admit(fleet, TEN, "e", tokens=0, usd=6.0, now=NOW)
            (purse,) = fleet._budgets.purses.values()
            part = purse.part()
            assert part >= 6_000_000_000
            fleet._next = lambda: 5  # type: ignore[method-assign]
            await fleet._ask([purse], NOW, 3_000_000_000)
            assert purse.part() == part

    run(main)


def test_workers_of_one_machine_share_its_part(server: Server, tmp_path: Path) -> None:
    async def main() -> None:
        first, fleet = machine(server, tmp_path)
        second, other = machine(server, tmp_path)
        assert fleet.machine == other.machine
        await spend(fleet, 1.0)
        second.admit(TEN, "e", tokens=0, usd=1.0, now=NOW).settle(0, 1.0)
        await asyncio.gather(fleet.sync(NOW), other.sync(NOW))
        for admission, link in ((first, fleet), (second, other)):
            await link.close()
            admission.close()

    run(main)


def test_a_server_that_lost_its_data_gives_nothing_until_it_was_told_what_is_given(server: Server) -> None:
    """What each machine was given of a budget is nowhere else than on that machine then."""

    async def main() -> None:
        async with machines(server, 2) as (first, second):
            await spend(first, 6.0)
            await spend(second, 1.0)
            server.stop()
            server.start(old=False)
            with pytest.raises(Denied, match="try again in a second"):
                await spend(second, 3.0)
            for fleet in (first, second):
                await fleet.sync(NOW + 1)  # finds its connection closed
                assert await fleet.sync(NOW + 1)
            server.say("SET wb:since 1")
            with pytest.raises(Denied):
                await spend(second, 4.0, NOW + 2)
            await spend(second, 3.0, NOW + 3)

    run(main)


def test_a_server_that_keeps_its_data_goes_on_where_it_was(tmp_path: Path) -> None:
    async def main(server: Server) -> None:
        async with machines(server, 2) as (first, second):
            await spend(first, 6.0)
            server.stop()
            server.start(old=False)
            with pytest.raises(Denied):
                await spend(second, 5.0)
            await spend(second, 4.0, NOW + 1)

    with running(tmp_path, kept=True) as server:
        asyncio.run(main(server))


def test_what_was_spent_before_there_was_a_fleet_counts(server: Server, tmp_path: Path) -> None:
    alone = Admission(home=tmp_path)
    alone.admit(TEN, "e", tokens=0, usd=8.0, now=NOW).settle(0, 8.0)
    alone.close()

    async def main() -> None:
        admission, fleet = machine(server, tmp_path)
        async with machines(server, 1) as (other,):
            with pytest.raises(Denied, match="used up"):
                await spend(fleet, 3.0)
            with pytest.raises(Denied, match="used up"):
                await spend(other, 3.0)
            await spend(other, 2.0, NOW + 1)
        await fleet.close()
        admission.close()

    run(main)


def test_who_leaves_gives_back_what_it_did_not_spend(server: Server, tmp_path: Path) -> None:
    async def main() -> None:
        admission, fleet = machine(server, tmp_path)
        await spend(fleet, 1.0)
        admission.tick(NOW)
        await fleet.close()
        admission.close()
        async with machines(server, 1) as (other,):
            await spend(other, 9.0)

    run(main)


def test_who_comes_again_finds_its_part(server: Server, tmp_path: Path) -> None:
    """A machine whose workers were killed owns what it was given still."""

    async def main() -> None:
        admission, fleet = machine(server, tmp_path)
        await spend(fleet, 8.0)
        await fleet._server.close()  # and not a word
        again, following = machine(server, tmp_path)
        assert following.machine == fleet.machine
        (purse,) = fleet._budgets.purses.values()
        given = purse.part()
        await admit(following, Grant("app", "app", rules=TEN.rules), "e", tokens=0, usd=(given / 1e9) - 8.0, now=NOW)
        (found,) = following._budgets.purses.values()
        assert found.part() == given
        for one in (following, fleet):
            await one.close()
        again.close()
        admission.close()

    run(main)


def test_who_comes_again_gives_others_what_nobody_asks_it_for(server: Server, tmp_path: Path) -> None:
    async def main() -> None:
        before, killed = machine(server, tmp_path)
        await spend(killed, 6.0)
        (purse,) = killed._budgets.purses.values()
        purse.allow(purse.period, 9_000_000_000, 0, lacking=False)
        await killed.sync(NOW)
        await killed._server.close()
        before.close()
        again, fleet = machine(server, tmp_path)
        async with machines(server, 1) as (other,):
            with pytest.raises(Denied):
                await spend(other, 4.0)
            for _ in range(2):  # it hears of it, and gives
                await fleet.sync(NOW)
            await spend(other, 4.0, NOW + 1)
        await fleet.close()
        again.close()

    run(main)


def test_who_is_stopped_before_it_began_leaves_what_was_spent_as_it_was(server: Server, tmp_path: Path) -> None:
    async def main() -> None:
        admission, fleet = machine(server, tmp_path)
        await spend(fleet, 6.0)
        await fleet.close()
        admission.close()
        short, never_asked = machine(server, tmp_path)
        never_asked._recall()
        await never_asked.close()
        short.close()
        last, again = machine(server, tmp_path)
        with pytest.raises(Denied, match="used up"):
            await spend(again, 5.0)
        await again.close()
        last.close()

    run(main)


def test_nobody_waits_for_a_server_that_is_known_to_be_away(server: Server) -> None:
    async def main() -> None:
        async with machines(server, 1) as (fleet,):
            await spend(fleet, 1.0)
            server.stop()
            assert not await fleet.sync(NOW)
            assert fleet.up is False
            assert fleet.trouble is not None
            assert not fleet.may_have(TEN, "e", 9.0, NOW)
            server.start()
            assert await fleet.sync(NOW)
            assert fleet.may_have(TEN, "e", 9.0, NOW)

    run(main)


def test_a_request_waits_for_a_server_that_hangs_no_longer_than_it_may(server: Server) -> None:
    async def main() -> None:
        admission, fleet = machine(server, patience_s=0.01)
        server.hang()
        with pytest.raises(Denied):
            await spend(fleet, 1.0)
        server.go_on()
        assert await fleet.sync(NOW)
        fleet._patience_s = 20
        await spend(fleet, 1.0)
        await fleet.close()
        admission.close()

    run(main)


def test_who_is_answered_no_is_not_asked_for_again_at_once(server: Server) -> None:
    """A storm of refusals must not reach the server."""

    async def main() -> None:
        async with machines(server, 2) as (first, second):
            await spend(first, 10.0)
            with pytest.raises(Denied):
                await spend(second, 1.0)
            assert not second.may_have(TEN, "e", 1.0, NOW + 0.1)
            assert second.may_have(TEN, "e", 1.0, NOW + 1)

    run(main)


def test_nobody_is_asked_for_what_no_budget_can_hold(server: Server) -> None:
    """Else the other machines would give up what they have, and in vain."""

    async def main() -> None:
        async with machines(server, 1) as (fleet,):
            assert not fleet.may_have(TEN, "e", 11.0, NOW)
            assert not fleet.may_have(Grant("no", "no", endpoints=frozenset()), "e", 1.0, NOW)

    run(main)


def test_the_name_of_a_fleet_keeps_it_apart_from_others(server: Server) -> None:
    async def main() -> None:
        pairs = [
            (admission := Admission(), Fleet(admission, Valkey(server.url, limit_s=20), name=name, patience_s=20))
            for name in ("wb", "staging")
        ]
        server.say("SET staging:since 1")
        for _, fleet in pairs:
            await spend(fleet, 10.0)
        for admission, fleet in pairs:
            await fleet.close()
            admission.close()

    run(main)


@pytest.mark.parametrize("left", ["", "\0" * 16])
def test_a_name_that_a_power_cut_emptied_is_made_anew(server: Server, tmp_path: Path, left: str) -> None:
    (tmp_path / "admission").mkdir()
    for name in ("machine", "fleet.lock"):
        (tmp_path / "admission" / name).write_text(left)

    async def main() -> None:
        admission, fleet = machine(server, tmp_path)
        assert len(fleet.machine) == 16
        assert fleet.machine.isalnum()
        await spend(fleet, 1.0)
        await fleet.close()
        admission.close()

    run(main)


def test_a_home_that_takes_no_name_is_one_line(server: Server, tmp_path: Path) -> None:
    admission = Admission(home=tmp_path)
    (tmp_path / "admission" / "machine").mkdir()
    with pytest.raises(MeasurementError, match="admission"):
        Fleet(admission, Valkey(server.url), home=tmp_path)
    admission.close()
