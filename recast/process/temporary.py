"""A run's folder of temporary files: what a run that was killed leaves is told from what a run is using by a lock."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from recast.process.lock import claimed, held

PREFIX = "recast-run-"


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder of temporary files, for as long as the block goes on."""
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name, held(Path(name)):
        yield Path(name)


def abandoned_folders() -> Iterator[Path]:
    """Folders whose run was killed; those that are somebody else's are passed over."""
    for folder in sorted(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")):
        with suppress(OSError), claimed(folder) as free:
            if free:
                yield folder
