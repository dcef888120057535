"""The package as a whole."""

import subprocess
import sys

MODULES = (
    "bootstrap calibration clustered estimate frontier guarantees logistic multiple paired power proportions quantiles "
    "ratio repeats sequential special"
)


def test_importing_all_of_it_loads_numpy_and_nothing_else_that_is_heavy() -> None:
    """A plain install has no SciPy, and `weighbridge --help` must answer fast."""
    names = ", ".join(f"weighbridge.stats.{name}" for name in MODULES.split())
    script = f"import sys, {names}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "numpy" in loaded
    assert not {"scipy", "statsmodels", "pandas", "msgspec", "duckdb", "asyncio"} & set(loaded)
