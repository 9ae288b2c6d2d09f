"""`recast --help` answers at once: nothing large is loaded before it is needed. And imports go one way."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import json, sys
import recast.cli
recast.cli.make_parser()
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """The top-level packages that a fresh interpreter holds once it knows its commands."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, check=True, timeout=60)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("package", ["ai_edge_litert", "av", "boto3", "botocore", "cv2", "kubernetes", "onnxruntime"])
def test_the_command_line_starts_without(package: str, loaded: set[str]) -> None:
    assert package not in loaded


def test_the_contracts_of_importlinter_are_kept() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
