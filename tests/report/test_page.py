"""The HTML report: self-contained, small, and deaf to whatever a model wrote."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.synthetic_runs import MINI, SONNET, Made, make_run

from weighbridge.errors import MeasurementError
from weighbridge.evaluation.changes import Side
from weighbridge.evaluation.comparison import compare
from weighbridge.evaluation.differences import explorer
from weighbridge.evaluation.outcomes import load
from weighbridge.evaluation.setting import setting
from weighbridge.evaluation.weighing import weigh
from weighbridge.report import page
from weighbridge.store.run import Run

HOSTILE = '</script><script>alert("x")</script><img src=x onerror=alert(1)>\u2028'


class Elements(HTMLParser):
    """Every start tag with its attributes, as a browser would see them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def rendered(run: Run) -> str:
    return page.render(weigh(run), explorer(run), setting(run.manifest))


def test_it_holds_every_part(tmp_path: Path) -> None:
    run = make_run(tmp_path, samples=60)
    text = rendered(run)
    assert weigh(run).verdict.sentence.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in text
    for part in ("leaderboard", "tradeoff", "latency", "tags", "scores", "samples", "how"):
        assert f'<section id="{part}"' in text
    for fact in (run.id, "vendor/mini", "5a" * 32, "poisson 4/s", "P99 not estimable from 60 results"):
        assert fact in text


def test_it_loads_nothing_from_any_network(tmp_path: Path) -> None:
    text = rendered(make_run(tmp_path, samples=20))
    assert "http://" not in text
    assert "https://" not in text
    elements = Elements(text).found
    assert not [tag for tag, attrs in elements if "src" in attrs or tag in ("link", "iframe", "object", "img")]
    policy = next(attrs["content"] for tag, attrs in elements if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_the_policy_admits_exactly_the_pages_own_script(tmp_path: Path) -> None:
    """An injected script would have another hash; this holds even where escaping were forgotten."""
    text = rendered(make_run(tmp_path, samples=5))
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"script-src &#39;sha256-{digest}&#39;" in text or f"script-src 'sha256-{digest}'" in text


def test_what_a_model_or_a_file_says_is_never_html(tmp_path: Path) -> None:
    """A prompt, a candidate's name, a tag and an answer that are scripts stay text."""
    odd = replace(MINI, name=HOSTILE)
    run = make_run(tmp_path, candidates=[odd, SONNET], samples=20, text=HOSTILE)
    run.update(evaluation=HOSTILE, config=HOSTILE, reason=HOSTILE)
    text = rendered(run)
    tags = [tag for tag, _ in Elements(text).found]
    assert tags.count("script") == 2
    assert "img" not in tags
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert data is not None
    rows = json.loads(data[1])["rows"]
    assert all(HOSTILE.strip() in row["prompt"] for row in rows)


def test_charts_have_words_for_those_who_cannot_see_them(tmp_path: Path) -> None:
    text = rendered(make_run(tmp_path, samples=40))
    for name in ("pareto", "ttft", "total"):
        assert f'aria-labelledby="{name}-t {name}-d"' in text
        assert re.search(rf'<desc id="{name}-d">.*mini-terse: .*</desc>', text)


def test_every_swatch_has_a_shape_as_well_as_a_colour(tmp_path: Path) -> None:
    text = rendered(make_run(tmp_path, samples=10))
    uses = set(re.findall(r'<use href="#(shape-\d)" class="(c\d) mark"/>', text))
    assert len({shape for shape, _ in uses}) == len({colour for _, colour in uses}) == 4


def test_ten_thousand_samples_stay_under_fifteen_megabytes(tmp_path: Path) -> None:
    """inspect_ai#2418, #1375; promptfoo#1419: the page is bounded, and says what it left out."""
    run = make_run(tmp_path, candidates=[MINI], samples=10_000, text="A longer prompt than needed. " * 80)
    text = rendered(run)
    assert len(text.encode()) < 15_000_000
    assert "10,000 samples" in text
    assert "texts were cut to" in text


def test_a_run_in_which_nothing_worked_is_still_a_page(tmp_path: Path) -> None:
    dead = Made("dead", 1.0, None, 0.2, errors=1.0)
    text = rendered(make_run(tmp_path, candidates=[dead], samples=4))
    assert "There is nothing to draw" in text
    assert "No latency was measured" in text


def test_a_stopped_run_warns_in_the_header(tmp_path: Path) -> None:
    run = make_run(tmp_path, samples=4)
    run.update(status="stopped", reason="budget of $5 reached")
    assert (
        '<p class="warning" role="alert">This run is not complete (budget of $5 reached): 16 of 16 results so far.</p>'
        in rendered(run)
    )


def test_a_page_that_cannot_be_written_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match="cannot write: No such file or directory"):
        page.write(tmp_path / "gone" / "report.html", "text")
    page.write(tmp_path / "report.html", "text")
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_comparisons_have_a_page_of_their_own(tmp_path: Path) -> None:
    run = make_run(tmp_path, candidates=[MINI, SONNET], samples=40, text=HOSTILE)
    found = load(run)
    text = page.render_comparisons(compare([(Side(run, found["mini"]), Side(run, found["sonnet"]))]))
    tags = [tag for tag, _ in Elements(text).found]
    assert "script" not in tags
    assert "img" not in tags
    assert "sonnet is better than mini" in text
    assert tags.count("details") > 5
