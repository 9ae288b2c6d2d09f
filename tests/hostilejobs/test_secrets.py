"""The S3 keys of a job are in its pods' environment, and nowhere else."""

import json
import os
import subprocess
import sys
from pathlib import Path

from recast.spec import Consent, Video
from recast.stage import StageInput
from recast.storage.embedded import EmbeddedStore
from recast.storage.storage import Storage
from tests import clips
from tests.jobs import NAMESPACE, job
from tests.leaks import command_lines, leaks, spelled

TOKEN = "marked-session-token-6b1f"


def run_stage(module: str, asked: StageInput, folder: Path, more: dict[str, str], seen: dict[str, bytes]) -> int:
    """Run a stage as a pod does; what it leaves goes into `seen`."""
    message = folder / "termination-log"
    message.unlink(missing_ok=True)
    environment = os.environ | {
        "RECAST_STAGE": asked.model_dump_json(by_alias=True), "RECAST_TERMINATION_LOG": str(message),
        "RECAST_LOG": "debug", "JOB_COMPLETION_INDEX": "0", "TMPDIR": str(folder), **more,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", module], env=environment, capture_output=True, timeout=120, check=False
    )
    place = f"{module} {len(seen)}"
    seen |= {f"{place} out": done.stdout, f"{place} err": done.stderr, f"{place} message": message.read_bytes()}
    return done.returncode


def test_a_real_job_writes_its_keys_nowhere(s3: EmbeddedStore, storage: Storage, prefix: str, tmp_path: Path) -> None:
    secret = os.environ["AWS_SECRET_ACCESS_KEY"]
    storage.upload(f"{prefix}in.mp4", clips.build("cfr"))
    asked = job(s3, f"{prefix}in.mp4", f"{prefix}out.mp4", seconds=100, video=Video(preset="ultrafast"))
    spec = asked.spec.model_copy(update={"consent": Consent(reference="REL-1")})
    asked = asked.model_copy(update={"spec": spec})
    seen: dict[str, bytes] = {}
    with command_lines(str(tmp_path), tmp_path) as lines:
        assert run_stage("controller.stages.split", asked, tmp_path, {}, seen) == 0, seen
        run = json.loads((tmp_path / "termination-log").read_text())["run"]
        ready = asked.model_copy(update={"run": run})
        assert run_stage("segment_worker", ready, tmp_path, {}, seen) == 0, seen
        assert run_stage("controller.stages.mux", ready, tmp_path, {}, seen) == 0, seen
        # Where something fails much more is said.
        wrong = {"AWS_SECRET_ACCESS_KEY": f"{secret}wrong"}
        assert run_stage("controller.stages.split", asked, tmp_path, wrong, seen) == 78
        nowhere = spec.model_copy(
            update={"storage": spec.storage.model_copy(update={"endpoint": "http://127.0.0.1:9"})}
        )
        lost = ready.model_copy(update={"spec": nowhere})
        assert run_stage("controller.stages.mux", lost, tmp_path, {"AWS_SESSION_TOKEN": TOKEN}, seen) == 69
    seen |= {f"command line {line!r}": line for line in lines}
    for info in [
        *storage.list(f"s3://{s3.bucket}/scratch/{NAMESPACE}/{asked.name}/"),
        storage.head(f"{prefix}out.mp4"),
    ]:
        seen[info.uri] = storage.get(info.uri)
        seen[f"{info.uri} metadata"] = json.dumps(dict(storage.head(info.uri).metadata)).encode()
    assert any(b"segment_worker" in line for line in lines) and any(b"-nostdin" in line for line in lines)
    assert leaks([secret, TOKEN, os.environ["AWS_ACCESS_KEY_ID"]], seen) == []


def test_a_leak_would_be_seen() -> None:
    secret = "marked-secret"
    for each in spelled(secret):
        assert leaks([secret], {"log": b"x" + each + b"y"})
