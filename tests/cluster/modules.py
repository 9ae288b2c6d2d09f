"""Files that tests read out of others' Go modules: Go fetches these into its own cache and checks them by go.sum."""

import json
import subprocess
from pathlib import Path

from tests.cluster.build import MODULES, Unavailable, find_go

FETCH_SECONDS = 300.0


def module_folder(name: str) -> Path:
    """Give the folder of the one module that a go.mod requires.

    Args:
        name: of that go.mod's folder in `go`.

    Raises:
        Unavailable: there is no Go, or it cannot fetch the module.
    """
    command = [find_go(), "mod", "download", "-json"]
    done = subprocess.run(command, cwd=MODULES / name, capture_output=True, text=True, timeout=FETCH_SECONDS)
    answer = json.loads(done.stdout or "{}")
    if done.returncode or "Dir" not in answer:
        raise Unavailable(f"{MODULES / name}: cannot be fetched: {answer.get('Error') or done.stderr.strip()}")
    return Path(answer["Dir"])
