"""A project folder for the cases that need the whole command."""

from pathlib import Path

import pytest
from tests.e2e.conftest import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)
