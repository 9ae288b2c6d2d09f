"""The clips by name, and their files."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.clips.recipe import exe

Builder = Callable[[Path], None]

MP4, MOV, MKV = ".mp4", ".mov", ".mkv"
ANY = (MP4, MOV, MKV)


@dataclass(frozen=True)
class Clip:
    """One file the tests can have.

    Attributes:
        name: key in `CLIPS`.
        suffix: of the file, with the dot.
        builder: writes the file to the path it is given, alone in a scratch folder.
        outputs: suffixes of the containers that can hold every track of it, with its video codec copied or
            encoded again; empty where it is bad.
        frames: frames that FFmpeg decodes from it; None where that depends on the FFmpeg.
        bad: why it must be refused; empty where it is good.
        about: the line that says what is awkward.
        traits: words to choose clips by: "audio", "timeless" (packets carry no usable pts), "cut-start"
            (does not begin with a frame that decodes), "data" (a track FFmpeg cannot write), "still".
    """

    name: str
    suffix: str
    builder: Builder
    outputs: tuple[str, ...]
    frames: int | None
    bad: str
    about: str
    traits: frozenset[str]


CLIPS: dict[str, Clip] = {}


def clip(
    suffix: str,
    outputs: tuple[str, ...] = ANY,
    frames: int | None = None,
    *,
    bad: str = "",
    traits: str = "audio",
    name: str = "",
) -> Callable[[Builder], Builder]:
    """Registers a builder as a clip; its docstring says what is awkward about it."""

    def register(builder: Builder) -> Builder:
        key = name or builder.__name__
        about = (builder.__doc__ or "").strip().splitlines()[0]
        CLIPS[key] = Clip(key, suffix, builder, () if bad else outputs, frames, bad, about, frozenset(traits.split()))
        return builder

    return register


def good() -> list[str]:
    """Names of the clips that recast must take."""
    return [name for name, each in CLIPS.items() if not each.bad]


def bad() -> list[str]:
    """Names of the clips that recast must refuse."""
    return [name for name, each in CLIPS.items() if each.bad]


def default_folder() -> Path:
    """A cache that outlives the session; `RECAST_TEST_CLIPS` names another."""
    place = os.environ.get("RECAST_TEST_CLIPS")
    return Path(place) if place else Path(tempfile.gettempdir()) / f"recast-clips-{os.getuid()}"


def build(name: str, folder: Path | None = None) -> Path:
    """The clip's file in `folder`, made now if it is not there."""
    each = CLIPS[name]
    folder = folder or default_folder()
    path = folder / f"{name}-{_digest()}{each.suffix}"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder) as scratch:
        out = Path(scratch) / f"clip{each.suffix}"
        each.builder(out)
        # Another process that made it at the same time may be using its own already.
        with contextlib.suppress(FileExistsError):
            os.link(out, path)
    return path


@functools.cache
def _digest() -> str:
    version = subprocess.run([exe(), "-version"], capture_output=True, check=True).stdout
    recipes = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    return hashlib.sha256(recipes + version.splitlines()[0]).hexdigest()[:12]
