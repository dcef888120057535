"""From traffic to samples to an evaluation: recorded, sealed or not, captured with the command, replayed."""

import asyncio
import json

from tests.e2e.conftest import Project, the_line

from weighbridge.records.capture import Capture
from weighbridge.records.exchange import Attempt, Exchange, Feedback, Route
from weighbridge.records.noting import new_id
from weighbridge.records.recorder import Recorder
from weighbridge.samples.capture import json_redactor
from weighbridge.samples.sampleset import SampleSet
from weighbridge.simulator import process
from weighbridge.simulator.settings import Distribution, Settings
from weighbridge.store.exchanges import seal
from weighbridge.store.lake import Lake

_COUNT = 40


def served(number: int, capture: Capture) -> Exchange:
    """As the gateway records it: of every second request the text is one that was asked before."""
    text = f"Ask {number // 2} for ann@example.com"
    request = json.dumps({"model": "it", "messages": [{"role": "user", "content": text}]}).encode()
    reply = json.dumps({"choices": [{"message": {"role": "assistant", "content": "Yes, ann@example.com"}}]}).encode()
    at = 1.7e9 + number
    bodies = capture.bodies(request, reply)
    return Exchange(
        id=new_id(at),
        at=at,
        endpoint="it" if number < 30 else "other",
        api="chat",
        outcome="ok",
        route=Route("one", "first"),
        attempts=(Attempt(target="one", provider="sim", model="simulated", started=0.0, cost=0.0),),
        cost=0.0,
        request=bodies.request,
        reply=bodies.reply,
    )


def record(project: Project) -> None:
    capture = Capture(1.0, json_redactor())

    async def main() -> None:
        for first in (0, 20):
            recorder = Recorder(project.folder / ".weighbridge", "w1")
            for number in range(first, first + 20):
                exchange = served(number, capture)
                recorder.append(exchange)
                if number == 4:
                    recorder.append(Feedback(exchange=exchange.id, at=1.8e9, score=1.0, comment="nice"))
            await recorder.close()
            if first == 0:
                assert len(seal(project.folder / ".weighbridge")) == 1

    asyncio.run(main())


def test_recorded_traffic_is_captured_and_evaluated(project: Project) -> None:
    record(project)
    done = project.run("samples", "capture", "--endpoint", "it", "-o", "samples.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["samples"], told["exchanges"], told["doubles"]) == (15, 30, 15)
    samples = SampleSet.load(project.folder / "samples.jsonl").samples
    assert [sample.arrived for sample in samples] == [2.0 * number for number in range(15)]
    assert samples[0].request == {"messages": [{"role": "user", "content": "Ask 0 for <email:1>"}]}
    assert samples[0].origin["answer"] == "Yes, <email:1>"
    assert samples[2].tags == ("endpoint:it", "feedback:good")
    with process.start(Settings(tokens=Distribution(constant=6))) as running:
        project.configure(running.url)
        assert project.evaluated()["results"] == 15
    assert Lake(project.folder / ".weighbridge").query("SELECT count(*) FROM exchanges").rows == [(_COUNT,)]


def test_a_draw_and_a_time(project: Project) -> None:
    record(project)
    done = project.run("samples", "capture", "--since", "2023-11-14T22:13:40Z", "--take", "3", "-o", "some.jsonl")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "3 samples from 20 exchanges to some.jsonl",
        "10 doubles left out",
        "7 distinct requests not drawn",
    ]


def test_nothing_captured_says_what_to_do(project: Project) -> None:
    done = project.run("samples", "capture", "-o", "samples.jsonl")
    assert done.returncode == 2
    assert "Set `capture: {share: 5%}` at the endpoint" in the_line(done)
    assert not (project.folder / "samples.jsonl").exists()
    assert project.run("samples", "capture", "-o", "x", "--take", "0").returncode == 2
