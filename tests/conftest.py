"""For every test: where the shared data is, that plain Python runs, and that no property is judged by its time.

Compiled modules leave no coverage and take no fakes. WEIGHBRIDGE_PURE=0 tests them, and demands a build that fits.
Property tests look at what is right, not at how long it took: another process may hold the processor. They draw anew
each time where people work, and the same each time in CI, whose verdict is on the change alone.
"""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("WEIGHBRIDGE_PURE", "1")  # before anything of ours is imported; children inherit it

settings.register_profile("untimed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("untimed"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "untimed")


def pytest_sessionstart() -> None:
    from weighbridge import compiled

    found = compiled.status()
    if os.environ["WEIGHBRIDGE_PURE"] == "0" and not found.in_use:
        pytest.exit(f"WEIGHBRIDGE_PURE=0 asks for compiled modules, and there is {found.says}", returncode=3)


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
