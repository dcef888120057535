"""Fixtures for every test: where the shared data is."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data. Without it a test is skipped outside CI and fails in CI."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("WEIGHBRIDGE_SHARED_DATA", default))
    if not folder.is_dir():
        reason = f"needs the shared data ({folder}); set WEIGHBRIDGE_SHARED_DATA"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder
