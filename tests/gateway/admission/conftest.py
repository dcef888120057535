"""A server for the machines of a fleet."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.gateway.admission.servers import Server, running


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path) as found:
        yield found
