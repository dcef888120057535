"""How many whole chat requests a second one gateway worker serves on one core, held against nginx as a plain proxy.

The gateway does all it does in earnest: a virtual key with limits and budgets, a route over two targets, a record of
every exchange on the disk, metrics. nginx passes the same requests to the same upstream and does nothing else. Both are
asked in turn, with the load and the upstream on the other core. Where that core is the limit (`ceiling_per_s`: the
load straight at the upstream), the second ratio still holds: processor time for each request, as the kernel counts it.

    python benchmarks/gateway_throughput.py [--peers] [--json] [--quick]
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import _gateway
import _gateway_peers
import _load
import _nginx
import _null_server
import _processes
import weighbridge
from _gateway import Gateway
from _processes import Child
from weighbridge import compiled

_HEADERS = {"Authorization": _gateway.AUTHORIZATION}


class Plan(NamedTuple):
    """How long one stretch of load is, and how often it is repeated."""

    seconds: float
    repeats: int
    peer_seconds: float
    peer_repeats: int


FULL = Plan(seconds=6, repeats=7, peer_seconds=5, peer_repeats=3)
QUICK = Plan(seconds=1, repeats=5, peer_seconds=2, peer_repeats=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--peers", action="store_true")
    arguments = parser.parse_args()
    plan = QUICK if arguments.quick else FULL
    with tempfile.TemporaryDirectory() as name:
        report = measured(Path(name), plan, peers=arguments.peers)
    print(json.dumps(report) if arguments.json else table(report))


def measured(folder: Path, plan: Plan, *, peers: bool) -> dict[str, Any]:
    load_cpu, cpu = _processes.cores()
    with _nginx.null_server(folder, 2, cpus=[load_cpu]) as upstreams:
        url = f"http://127.0.0.1:{upstreams[0]}/v1"
        ceiling = _load.load(f"{url}/chat/completions", _gateway.QUESTION, _HEADERS, seconds=plan.seconds, cpu=load_cpu)
        report = against_nginx(folder, upstreams, plan)
        found = {}
        if peers:
            found = _gateway_peers.measure(
                folder, url, seconds=plan.peer_seconds, rounds=plan.peer_repeats, load_cpu=load_cpu, cpu=cpu
            )
    return {
        **report,
        "ceiling_per_s": ceiling.per_s,
        "peers": found,
        "versions": {
            "weighbridge": weighbridge.__version__,
            "compiled": compiled.status().says,
            "python": platform.python_version(),
            "nginx": _nginx.version(),
            "load": _load.generator(),
            **(_gateway_peers.versions() if peers else {}),
        },
    }


def against_nginx(folder: Path, upstreams: list[int], plan: Plan) -> dict[str, Any]:
    """Both in turn, repeat by repeat."""
    load_cpu, cpu = _processes.cores()
    urls = [f"http://127.0.0.1:{port}/v1" for port in upstreams]
    with (
        _nginx.proxy(folder, upstreams[0], cpus=[cpu]) as (port, proxy),
        _gateway.serving(folder, _gateway.configuration(urls), cpus=[cpu]) as gateway,
    ):
        check(gateway)
        plain = f"http://127.0.0.1:{port}/v1"
        ours, theirs = [], []
        for one in ((gateway.url, gateway.child), (plain, proxy)):
            stretch(*one, seconds=1, cpu=load_cpu)  # warm
        rss_start = gateway.child.rss_mb()
        for _ in range(plan.repeats):
            theirs.append(stretch(plain, proxy, seconds=plan.seconds, cpu=load_cpu))
            ours.append(counted(gateway, seconds=plan.seconds, cpu=load_cpu))
        rss = gateway.child.rss_mb()
        check(gateway)
        records(gateway)
    return {
        **summary("", ours),
        **summary("nginx_", theirs),
        "ratio_to_nginx": statistics.median(a["per_s"] / b["per_s"] for a, b in zip(ours, theirs, strict=True)),
        "cpu_ratio_to_nginx": statistics.median(b["cpu_us"] / a["cpu_us"] for a, b in zip(ours, theirs, strict=True)),
        "rss_mb": rss,
        "rss_start_mb": rss_start,
        "runs": [{"weighbridge": a, "nginx": b} for a, b in zip(ours, theirs, strict=True)],
    }


def summary(prefix: str, runs: list[dict[str, float]]) -> dict[str, float]:
    return {
        f"{prefix}requests_per_s": statistics.median(run["per_s"] for run in runs),
        f"{prefix}cpu_us_per_request": statistics.median(run["cpu_us"] for run in runs),
        f"{prefix}p99_ms": statistics.median(run["p99_ms"] for run in runs),
    }


def stretch(url: str, child: Child, *, seconds: float, cpu: int) -> dict[str, float]:
    """One stretch of load, every reply right."""
    before = child.cpu_s()
    found = _load.load(f"{url}/chat/completions", _gateway.QUESTION, _HEADERS, seconds=seconds, cpu=cpu)
    spent = child.cpu_s() - before
    assert found.bytes / found.requests > len(_null_server.BODY), f"{url}: the replies are not whole"
    return {
        "per_s": found.per_s,
        "cpu_us": 1e6 * spent / found.requests,
        "cpu_share": spent / found.seconds,
        "p99_ms": found.p99_ms,
    }


def counted(gateway: Gateway, *, seconds: float, cpu: int) -> dict[str, float]:
    """As `stretch`, and the gateway's own metrics say the same: all went well, and was billed."""
    before = gateway.metrics()
    found = stretch(gateway.url, gateway.child, seconds=seconds, cpu=cpu)
    after = gateway.metrics()
    grown = {key: round(value - before.get(key, 0)) for key, value in after.items() if value != before.get(key, 0)}
    ended = {outcome: count for (name, outcome), count in grown.items() if name == "requests_total"}
    cancelled = ended.pop("cancelled", 0)  # the load hangs up at its end
    assert set(ended) == {"ok"}, f"the gateway says: {ended}"
    assert cancelled <= _load.CONNECTIONS, f"{cancelled} requests were cancelled"
    assert grown["output_tokens_total", "ok"] == ended["ok"], "not every answer's one token was counted"
    assert ended["ok"] >= found["per_s"] * seconds * 0.95, f"the gateway knows of {ended['ok']} requests only"
    return found


def check(gateway: Gateway) -> None:
    """The whole answer, word by word."""
    status, reply = gateway.ask()
    assert status == 200
    assert reply["choices"] == json.loads(_null_server.BODY)["choices"], f"the gateway answers {reply}"
    assert reply["usage"]["total_tokens"] == 13


def records(gateway: Gateway) -> None:
    """Every request is on the disk."""
    _gateway.settle(gateway)
    made, written = sum(gateway.outcomes().values()), gateway.records()
    assert made == written, f"{made} requests, {written} records"


def table(report: dict[str, Any]) -> str:
    runs = report["runs"]

    def row(name: str, who: str, prefix: str) -> str:
        rates = [run[who]["per_s"] for run in runs]
        return (
            f"{name:<12} {report[prefix + 'requests_per_s']:>9,.0f} requests/s ({min(rates):,.0f} to {max(rates):,.0f})"
            f"   {report[prefix + 'cpu_us_per_request']:>6.1f} us of CPU a request"
            f"   P99 {report[prefix + 'p99_ms']:.2f} ms"
        )

    lines = [
        f"one worker on one core, load and upstream on the other; {len(runs)} repeats, median and spread",
        row("weighbridge", "weighbridge", ""),
        row("nginx", "nginx", "nginx_"),
        f"ratio to nginx: {report['ratio_to_nginx']:.3f}; by CPU time: {report['cpu_ratio_to_nginx']:.3f}",
        f"code: {report['versions']['compiled']}",
        f"the load straight at the upstream: {report['ceiling_per_s']:,.0f} requests/s ({report['versions']['load']})",
        f"resident memory: {report['rss_start_mb']:.1f} MB warm, {report['rss_mb']:.1f} MB at the end",
    ]
    for name, found in report["peers"].items():
        said = f"{found:,.0f} requests/s" if isinstance(found, float) else f"missing: {found['missing']}"
        lines.append(f"{name:<12} {said}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
