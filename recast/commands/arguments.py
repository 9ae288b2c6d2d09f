"""Arguments that several commands share, and how a path on the command line becomes a URI."""

import argparse
import os
from pathlib import Path
from typing import Any

from recast.errors import UsageError
from recast.spec import Consent, Engine, FacePair, Target

ENGINES = {"mesh": "Mesh", "passthrough": "Passthrough"}
SELECTS = {"largest": "Largest", "all": "All", "leftmost": "Leftmost", "rightmost": "Rightmost"}

Commands = Any
"""argparse' own type for subparsers is private."""


def to_uri(text: str) -> str:
    """A path or an s3:// URI, as a URI.

    Raises:
        UsageError: it is a URI of another kind.
    """
    if text.startswith("s3://"):
        return text
    if "://" in text:
        raise UsageError(f"{text}: give a path or an s3:// URI")
    return f"file://{Path(os.path.abspath(text))}"


def add_face_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that say whose face goes where."""
    parser.add_argument(
        "--face", action="append", default=[], metavar="FACE", help="photo of the face to put in; may be repeated"
    )
    parser.add_argument(
        "--select",
        choices=sorted(SELECTS),
        default="largest",
        help="which face of each frame is changed (default: %(default)s)",
    )
    parser.add_argument(
        "--engine", choices=sorted(ENGINES), default="mesh", help="what changes the pixels (default: %(default)s)"
    )


def faces_of(options: argparse.Namespace) -> tuple[FacePair, ...]:
    """The job's faces."""
    if not options.face or options.engine == "passthrough":
        return ()
    sources = tuple(to_uri(face) for face in options.face)
    return (FacePair(source=sources, target=Target(select=SELECTS[options.select])),)


def engine_of(options: argparse.Namespace) -> Engine:
    """The job's engine."""
    return Engine(name=ENGINES[options.engine])


def consent_of(options: argparse.Namespace) -> Consent | None:
    """The job's consent."""
    return Consent(reference=options.consent) if options.consent else None
