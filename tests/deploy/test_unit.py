"""The unit for systemd: it is one, and what it says of the gateway is true. tests/e2e/gateway serves in its sandbox."""

import re
import sys
from pathlib import Path

import pytest
from tests.deploy.files import KEYS, UNIT, options, seconds, unit
from tests.deploy.sandbox import analyze, filtered

from weighbridge.config.serving import GatewaySection
from weighbridge.errors import UsageError
from weighbridge.providers.presets import PRESETS
from weighbridge.providers.sigv4 import Credentials
from weighbridge.store.finding import home_folder
from weighbridge.transport.proxy import Proxies
from weighbridge.transport.request import ServerLimits


def installed(folder: Path, name: str = UNIT.name) -> str:
    """The unit, for a Weighbridge that is installed here."""
    path = folder / name
    here = str(Path(sys.executable).parent)
    path.write_text(UNIT.read_text("utf-8").replace("/opt/weighbridge/bin", here), "utf-8")
    return str(path)


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    """Nor with it under the name that serves beside it during an upgrade."""
    installed(tmp_path, "weighbridge@.service")
    for path in (installed(tmp_path), str(tmp_path / "weighbridge@next.service")):
        done = analyze("verify", path)
        assert (done.returncode, done.stderr.strip()) == (0, "")


def test_systemd_calls_the_unit_well_hardened(tmp_path: Path) -> None:
    """1.4 of 10, where a unit that says nothing has 9.6. The threshold is in tenths."""
    done = analyze("security", "--offline=true", "--threshold=15", "--no-pager", installed(tmp_path))
    assert done.returncode == 0, done.stdout[-300:]


def test_every_option_that_the_unit_passes_exists() -> None:
    (command,) = unit()["ExecStart"]
    program, subcommand, *words = command.split()
    assert (Path(program).name, subcommand) == ("weighbridge", "serve")
    given = {word for word in words if word.startswith("-")}
    assert given
    assert given <= options("serve")


def test_systemd_waits_longer_than_a_drain_takes() -> None:
    """A longer drain than the usual one asks for its time itself."""
    assert seconds(unit()["TimeoutStopSec"][0]) >= GatewaySection().drain + 20
    assert unit()["KillSignal"] == ["SIGTERM"]


def test_folders_and_variables_of_the_unit_are_those_the_gateway_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    said = unit()
    for pair in said["Environment"]:
        monkeypatch.setenv(*pair.split("=", 1))
    assert str(home_folder()) == f"/var/lib/{said['StateDirectory'][0]}" == said["WorkingDirectory"][0]
    within = f"/etc/{said['ConfigurationDirectory'][0]}"
    assert f"--config {within}/weighbridge.yaml" in said["ExecStart"][0]
    assert said["EnvironmentFile"] == [f"-{within}/{KEYS.name}"]


def test_a_configuration_that_cannot_be_served_is_not_tried_again() -> None:
    assert unit()["RestartPreventExitStatus"] == [str(UsageError("x").exit_code)]


def test_every_variable_of_keys_env_is_one_that_is_read() -> None:
    """AWS's, proxies' and OpenTelemetry's, beside those of the presets."""
    lines = KEYS.read_text("utf-8").splitlines()
    assert all(line.startswith("#") for line in lines if line), "as it comes, it sets nothing"
    named = {found[1] for found in map(re.compile(r"#([A-Z_]+)=").match, lines) if found}
    assert {"OPENAI_API_KEY", "ANTHROPIC_API_KEY"} <= named
    others = named - {preset.key_variable for preset in PRESETS.values()}
    aws = {name for name in others if name.startswith("AWS_")}
    assert Credentials.of(dict.fromkeys(aws, "x")) is not None
    proxies = {name for name in others if name.endswith("_PROXY")}
    found = Proxies.from_environment(dict.fromkeys(proxies, "proxy.internal:3128"))
    assert found.https is not None
    assert found.no_proxy
    assert others - aws - proxies == {"OTEL_EXPORTER_OTLP_ENDPOINT"}


def test_there_are_file_descriptors_for_every_connection_that_is_taken() -> None:
    """And as many to providers."""
    assert int(unit()["LimitNOFILE"][0]) > 2 * ServerLimits().connections


def test_of_system_calls_only_a_services_own_are_let_through() -> None:
    allowed = filtered()
    assert {"epoll_wait", "accept4", "flock", "execve"} <= allowed
    assert allowed.isdisjoint({"ptrace", "mount", "bpf", "setuid", "chroot", "reboot", "kexec_load"})
