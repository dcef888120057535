"""For every test: where the shared data is, and that no property is judged by its time.

Property tests look at what is right, not at how long it took: another process may hold the processor.
"""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("untimed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


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
