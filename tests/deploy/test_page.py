"""What docs/deploying.md shows besides commands: configurations, drop-ins and figures that hold."""

import re
from pathlib import Path

import pytest
from tests.deploy.files import COMPOSE, PAGE, ROOT, UNIT, stages, unit
from tests.deploy.sandbox import analyze
from tests.deploy.test_unit import installed
from tests.docs.pages import blocks, commands
from tests.docs.worlds import SUPPORT

from weighbridge.config.load import load
from weighbridge.config.serving import GatewaySection, RouteSection


def shown(language: str) -> list[str]:
    return [block.text for block in blocks(PAGE) if block.language == language]


def test_every_piece_of_configuration_on_the_page_is_one_that_loads(tmp_path: Path) -> None:
    pieces = shown("yaml")
    assert len(pieces) >= 2
    for piece in pieces:
        path = tmp_path / "weighbridge.yaml"
        path.write_text(SUPPORT.format(url="http://127.0.0.1:9/v1") + piece, "utf-8")
        assert load(path).gateway != GatewaySection()


def test_every_drop_in_on_the_page_is_one_that_systemd_takes(tmp_path: Path) -> None:
    path = installed(tmp_path)
    folder = tmp_path / f"{UNIT.name}.d"
    folder.mkdir()
    for number, piece in enumerate(shown("ini")):
        (folder / f"{number}.conf").write_text(piece, "utf-8")
        assert set(unit(folder / f"{number}.conf")) <= {*unit(), "AmbientCapabilities"}
    done = analyze("verify", path)
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_everything_of_the_repository_that_a_command_names_is_in_it() -> None:
    named = {found for command in commands(PAGE) for found in re.findall(r"deploy/[\w./-]+", command.text)}
    assert len(named) >= 4
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_nginx_takes_what_the_gateway_takes_and_waits_as_long_as_it_does() -> None:
    (piece,) = shown("nginx")
    assert f"client_max_body_size {GatewaySection().body_megabytes}m;" in piece
    waits = re.search(r"proxy_read_timeout (\d+)m;", piece)
    assert waits is not None
    assert float(waits[1]) * 60 > RouteSection().total


@pytest.mark.parametrize("option", ["--stop-timeout", "terminationGracePeriodSeconds:"])
def test_whoever_ends_the_gateway_is_told_to_wait_for_its_drain(option: str) -> None:
    waits = re.search(rf"{option} (\d+)", PAGE.read_text("utf-8"))
    assert waits is not None
    assert float(waits[1]) >= GatewaySection().drain + 20


def test_docker_is_told_what_the_image_says() -> None:
    (run,) = [command.text for command in commands(PAGE) if command.text.startswith("docker run -d")]
    port, home = stages()[-1].one("EXPOSE"), stages()[-1].environment()["WEIGHBRIDGE_HOME"]
    assert f"-p 127.0.0.1:{port}:{port} " in run
    assert f"-v weighbridge:{home} " in run
    compose = COMPOSE.read_text("utf-8")
    for wanted in ("read-only", "cap-drop ALL", "no-new-privileges", "memory 2g", "init"):
        assert wanted in run
    for wanted in ("read_only: true", "cap_drop: [ALL]", "no-new-privileges:true", "mem_limit: 2g", "init: true"):
        assert wanted in compose
