"""What becomes of a request that waits for the fleet: served, told the refusal, or left by its client."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any, cast

import pytest

from weighbridge.gateway.admission.denied import Denied
from weighbridge.gateway.admission.fleet import Fleet
from weighbridge.gateway.admission.grant import Grant
from weighbridge.gateway.refusal import Refusal
from weighbridge.gateway.second_look import SecondLook
from weighbridge.transport.responder import Responder

WHO = Grant("app", "app")


class Asked:
    """A fleet that may have money or not, and answers when it is told to."""

    def __init__(self, *, may: bool = True) -> None:
        self.may = may
        self.answer = asyncio.Event()

    def may_have(self, *_: object) -> bool:
        return self.may

    async def replenish(self, *_: object) -> None:
        await self.answer.wait()


class Client:
    """Whoever sent the request: `gone` when it has left."""

    def __init__(self) -> None:
        self.gone = self.started = False
        self.status = 0
        self.pending: list[Awaitable[None]] = []

    @property
    def disconnected(self) -> bool:
        return self.gone

    def reply_encoded(self, status: int, lines: bytes, body: bytes) -> None:
        self.status = status

    def go_on(self, pending: Awaitable[None]) -> None:
        self.pending.append(pending)


class Looks:
    """One request at its second look; `events` says what was done with it."""

    def __init__(self, fleet: Asked, served: Any = None) -> None:
        self.events: list[str] = []
        self.client = Client()
        self.second = SecondLook(cast("Fleet", fleet))
        self._fleet, self._served = fleet, served

    def take(self) -> bool:
        return self.second.take(
            *(WHO, "e", 1.0, 0.0),
            responder=cast("Responder", self.client),
            again=self._again,
            gone=lambda: self.events.append("gone"),
        )

    async def over(self) -> None:
        self._fleet.answer.set()
        await asyncio.gather(*self.second._under_way)

    def _again(self) -> Any:
        self.events.append("again")
        if isinstance(self._served, Exception):
            raise self._served
        return self._served


def test_it_is_served_when_the_fleet_has_answered() -> None:
    async def main() -> None:
        looks = Looks(Asked())
        assert looks.take()
        await asyncio.sleep(0)
        assert looks.events == []
        await looks.over()
        assert looks.events == ["again"]
        assert looks.client.pending == []

    asyncio.run(main())


def test_what_waits_goes_on_as_a_task_of_the_connection() -> None:
    async def main() -> None:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        looks = Looks(Asked(), served=answer)
        assert looks.take()
        await looks.over()
        assert looks.client.pending == [answer]

    asyncio.run(main())


def test_nothing_is_served_to_a_client_that_has_left() -> None:
    async def main() -> None:
        looks = Looks(Asked())
        assert looks.take()
        looks.client.gone = True
        await looks.over()
        assert looks.events == ["gone"]

    asyncio.run(main())


def test_it_is_refused_at_once_where_there_is_no_use_in_asking() -> None:
    async def main() -> None:
        looks = Looks(Asked(may=False))
        assert not looks.take()
        assert looks.events == []

    asyncio.run(main())


def test_an_error_at_the_second_look_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        looks = Looks(Asked(), served=RuntimeError("a bug"))
        assert looks.take()
        await looks.over()
        assert looks.client.status == 500

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert "a bug" in caplog.text


@pytest.mark.parametrize(
    ("error", "helps"),
    [
        (Denied(429, "used up", "insufficient_quota", type="insufficient_quota"), True),
        (Denied(429, "in flight", "rate_limit_exceeded", type="budget"), True),
        (Denied(429, "too many", "rate_limit_exceeded", type="requests"), False),
        (Denied(503, "no ledger", "budget_unavailable", type="server_error"), False),
        (Refusal(404, "no endpoint"), False),
    ],
)
def test_only_want_of_money_is_looked_at_twice(error: Denied | Refusal, helps: bool) -> None:
    assert SecondLook.helps(error) is helps
