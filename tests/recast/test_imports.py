"""`recast --help` and the stages start at once: nothing large is loaded before it is needed. And imports go one way."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LARGE = frozenset({
    "ai_edge_litert", "av", "boto3", "botocore", "cv2", "kubernetes", "numpy", "onnxruntime", "pydantic", "rich", "yaml"
})  # fmt: skip
NEEDED = {
    "import recast.cli; recast.cli.make_parser()": set(),
    "import controller.stages.split": {"av", "pydantic"},
    "import controller.stages.mux": {"av", "pydantic"},
    "import segment_worker.worker": {"av", "numpy", "pydantic"},
}
"""Of the large packages, those that each begins with."""


@pytest.mark.parametrize("script", NEEDED)
def test_what_is_started_loads_no_more_than_it_needs(script: str) -> None:
    """Asked of a fresh interpreter."""
    listed = f"{script}; import json, sys; print(json.dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", listed], stdout=subprocess.PIPE, check=True, timeout=60)
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert loaded & LARGE == NEEDED[script]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="only Linux lists a process' threads")
def test_a_worker_starts_no_thread_a_core_of_the_node() -> None:
    script = "import os, segment_worker.worker; print(len(os.listdir('/proc/self/task')))"
    # A setting of the machine that runs the tests would hide what the worker does by itself.
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, timeout=60, env=environment)
    assert int(done.stdout) == 1


def test_the_contracts_of_importlinter_are_kept() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
