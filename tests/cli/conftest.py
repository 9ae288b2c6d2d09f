"""The fixture of the command line's tests."""

from pathlib import Path

import pytest

from tests.cli.place import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    for name in ("out", "tmp"):
        (tmp_path / name).mkdir()
    return Place(tmp_path)
