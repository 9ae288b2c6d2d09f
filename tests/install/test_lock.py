"""The lock, installed into an environment of its own from nothing but the tracked files, runs the demo.

It is the supported install, and the place where a dependency would bring a twin of OpenCV or of a runtime along.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INSTALL_SECONDS, DEMO_SECONDS = 240, 120
EXTRAS = ("--extra", "cpu", "--extra", "local")
# Of each family exactly one may be there: their modules have the same names, or load the same libraries twice.
FAMILIES = {
    "OpenCV": {"opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless"},
    "ONNX Runtime": {"onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino"},
    "TensorFlow Lite": {"ai-edge-litert", "tflite-runtime", "tensorflow", "tensorflow-cpu", "tf-nightly"},
}


def find_uv() -> Path:
    own = ROOT / ".uv" / "bin" / "uv"
    found = shutil.which("uv") or (own if own.exists() else None)
    if found is None:
        pytest.skip("uv is neither on PATH nor in .uv: `make install` gets it")
    return Path(found)


def clean_copy(folder: Path) -> Path:
    """The files that git tracks, and those that it would."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout: there is no saying which files belong to it")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


def run(command: list[str | Path], *, cwd: Path, env: dict[str, str], seconds: int) -> str:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.mark.timeout(INSTALL_SECONDS + DEMO_SECONDS + 60)
def test_the_lock_in_a_fresh_environment_has_one_of_each_runtime_and_runs_the_demo(tmp_path: Path) -> None:
    uv, place = find_uv(), tmp_path / "checkout"
    place.mkdir()
    clean_copy(place)
    environment = tmp_path / "venv"
    own = {"UV_PROJECT_ENVIRONMENT": str(environment), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    # uv's downloads are shared; of this session's own environment nothing is.
    kept = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    base = kept | {"UV_CACHE_DIR": uv_cache(uv), "UV_PYTHON": sys.executable} | own

    run([uv, "sync", "--frozen", "--quiet", *EXTRAS], cwd=place, env=base, seconds=INSTALL_SECONDS)

    listed = run([uv, "pip", "list", "--format", "json", "--python", environment], cwd=place, env=base, seconds=60)
    installed = {item["name"].lower() for item in json.loads(listed)}
    for family, names in FAMILIES.items():
        assert len(names & installed) == 1, f"{family}: {sorted(names & installed)}"
    assert not {name for name in installed if name.startswith("tensorflow")}

    python = environment / "bin" / "python"
    # The installed package, not this checkout's.
    where = run([python, "-c", "import recast; print(recast.__file__)"], cwd=tmp_path, env=base, seconds=60)
    assert str(ROOT / "recast") not in where
    said = run([python, "-m", "demo"], cwd=place, env=base, seconds=DEMO_SECONDS)
    assert "all good" in said
    assert (place / "demo-out" / "swapped.mp4").stat().st_size > 10_000
    assert (place / "demo-out" / "sheet.png").stat().st_size > 10_000


def uv_cache(uv: Path) -> str:
    return subprocess.run([uv, "cache", "dir"], capture_output=True, text=True, check=True, timeout=60).stdout.strip()
