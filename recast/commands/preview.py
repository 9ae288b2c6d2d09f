"""`recast preview`: before and after, in seconds, by the worker's own code."""

import argparse
import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from recast.commands.arguments import (
    Commands,
    add_face_arguments,
    add_limit_argument,
    engine_of,
    faces_of,
    file_of,
    limits_of,
    new_parser,
    to_uri,
)
from recast.commands.early import check_photos, check_place, check_source
from recast.commands.refusals import refused_as_typed
from recast.errors import UsageError
from recast.process.children import spawn
from recast.wording import as_typed

EPILOG = """examples:
  recast preview interview.mp4 preview.png --face ada.png
  recast preview interview.mp4 preview.png --face ada.png --at 00:01:03 --at 95.5 --select all
  recast preview interview.mp4 preview.png --face ada.png --select bob.png
"""

CHAT = b"INFO: Created TensorFlow Lite"


def add_parser(commands: Commands, text: str) -> None:
    """Add the command to the parser."""
    description = "Swap a few frames and show them above and below, with the faces found and chosen."
    parser = new_parser(commands, "preview", text, description, EPILOG)
    parser.add_argument("source", metavar="SOURCE", help="the video: a path or s3:// URI")
    parser.add_argument("output", metavar="OUT.png", help="the picture to write")
    add_face_arguments(parser)
    add_limit_argument(parser)
    parser.add_argument(
        "--at",
        action="append",
        default=[],
        metavar="TIME",
        help="seconds, MM:SS or HH:MM:SS; default: four across the video",
    )
    parser.add_argument("--endpoint-url", metavar="URL", help="the S3 endpoint of s3:// URIs")
    parser.set_defaults(body=preview)


def preview(options: argparse.Namespace) -> int:
    """Carry the command out: the worker's process does the work."""
    with refused_as_typed():
        engine, faces = engine_of(options), faces_of(options)
    if options.engine != "passthrough" and not faces:
        raise UsageError("--face is needed, unless --engine is passthrough")
    if not options.output.lower().endswith(".png"):
        raise UsageError(f"{options.output}: give a name that ends in .png")
    source, output = to_uri(options.source), file_of(options.output)
    _check_output(output, [source, *(uri for pair in faces for uri in (*pair.source, pair.target.reference) if uri)])
    limits = limits_of(options)
    check_source(source)
    check_photos(faces, limits)
    request = {
        "source": source,
        "output": str(output),
        "engine": engine.model_dump(mode="json", by_alias=True),
        "faces": [pair.model_dump(mode="json", by_alias=True) for pair in faces],
        "at": [seconds_of(text) for text in options.at],
        "endpoint": options.endpoint_url,
        "limits": limits.model_dump(mode="json", by_alias=True),
    }
    environment = os.environ | {"RECAST_PREVIEW": json.dumps(request)}
    process = spawn([sys.executable, "-m", "segment_worker.preview"], env=environment, stderr=subprocess.PIPE)
    _pass_on(process)
    return process.wait()


def _pass_on(process: "subprocess.Popen[bytes]") -> None:
    """Say what the worker says, but for a library's own chat."""
    assert process.stderr is not None
    with process.stderr as lines:
        for line in lines:
            if not line.startswith(CHAT):
                sys.stderr.write(as_typed(line.decode(errors="replace")))


def _check_output(path: Path, inputs: Sequence[str]) -> None:
    check_place(path, "picture")
    for uri in inputs:
        given = Path(uri.removeprefix("file://"))
        if path.exists() and given.exists() and path.samefile(given):
            raise UsageError(f"{path}: is what the preview is made from: choose another name")


def seconds_of(text: str) -> float:
    """Seconds from the first frame: "63", "63.5", "01:03", "00:01:03".

    Raises:
        UsageError: it is none of these.
    """
    try:
        parts = [float(part) for part in text.split(":")]
    except ValueError:
        parts = []
    if not 1 <= len(parts) <= 3 or not all(0 <= part < math.inf for part in parts):
        raise UsageError(f"--at {text}: give seconds or HH:MM:SS")
    return sum((part * 60.0**power for power, part in enumerate(reversed(parts))), 0.0)
