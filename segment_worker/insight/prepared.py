"""What is made of inswapper's graph once, and kept beside it for the pods that come after.

<model>.emap.npy             from embeddings to latents: the graph's last initializer
<model>.batch-<sha256>.onnx  the graph with its batch left open
<model>.verdicts.json        on which devices that graph gave the same as the model itself
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recast.modelstore import alone
from segment_worker.insight.graph import last_initializer, load_graph, with_free_batch

Array = npt.NDArray[Any]


def emap_of(model: Path) -> Array:
    """The emap of inswapper_128, float32 [512, 512].

    Raises:
        BadConfig: it is no ONNX model, or has no weights.
    """
    kept = model.with_suffix(".emap.npy")
    with alone(model.with_suffix(".prepared.lock")):
        if not kept.exists():
            with (part := kept.with_suffix(".part")).open("wb") as file:
                np.save(file, last_initializer(load_graph(model, "swapper"), "swapper"))
            os.replace(part, kept)
    return np.asarray(np.load(kept))


def open_batch(model: Path) -> Path:
    """The same graph with its batch left open.

    Raises:
        BadConfig: it is no ONNX model.
    """
    with alone(model.with_suffix(".prepared.lock")):
        found = _whole(model)
        if found is None:
            data = with_free_batch(load_graph(model, "swapper"))
            found = model.with_suffix(f".batch-{hashlib.sha256(data).hexdigest()}.onnx")
            _write(found, data)
    return found


class Verdicts:
    """On which devices the open graph gave the same as the model.

    Args:
        model: inswapper_128's file.
    """

    def __init__(self, model: Path) -> None:
        self.path = model.with_suffix(".verdicts.json")

    def of(self, device: str) -> bool | None:
        """Whether it did; None where it was not tried yet."""
        found = self._read().get(device)
        return found if isinstance(found, bool) else None

    def note(self, device: str, same: bool) -> None:
        """Keep what was tried."""
        with alone(self.path.with_suffix(".lock")):
            _write(self.path, json.dumps(self._read() | {device: same}).encode())

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self.path.read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def _whole(model: Path) -> Path | None:
    """The open graph, if it is there and undamaged."""
    for path in model.parent.glob(f"{model.stem}.batch-*.onnx"):
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == path.stem.rpartition("-")[2]:
                return path
        path.unlink()
    return None


def _write(path: Path, data: bytes) -> None:
    part = path.with_suffix(".part")
    part.write_bytes(data)
    os.replace(part, path)
