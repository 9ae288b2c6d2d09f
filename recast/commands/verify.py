"""`recast verify`: is the output the source, frame by frame and track by track?"""

import argparse
import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from recast import exitcodes
from recast.commands.arguments import Commands, file_of, new_parser, to_uri
from recast.commands.early import check_source
from recast.errors import NotFound, UsageError
from recast.storage.loopback import LoopbackServer
from recast.storage.storage import Storage, StorageSettings
from recast.verify import report
from recast.verify.check import Check
from recast.verify.frames import Replaced
from recast.verify.tracks import Allowed
from recast.wording import as_typed

EPILOG = """examples:
  recast verify interview.mp4 out.mp4
  recast verify interview.mov out.mov --lossless
  recast verify interview.mp4 out.mp4 --audio aac
  recast verify interview.mp4 out.mp4 --json
  recast verify damaged.mp4 out.mp4 --report report.json

exit codes: 0 all is well, 65 a check failed.
"""


def add_parser(commands: Commands, text: str) -> None:
    """Add the command to the parser."""
    description = "Decode both files by FFmpeg and compare them, frame by frame and track by track."
    parser = new_parser(commands, "verify", text, description, EPILOG)
    parser.add_argument("source", metavar="SOURCE", help="the source: a path or s3:// URI")
    parser.add_argument("output", metavar="OUTPUT", help="what was made of it")
    parser.add_argument("--lossless", action="store_true", help="every pixel must be equal")
    parser.add_argument("--audio", choices=("copy", "aac"), default="copy", help="aac: it was encoded again")
    parser.add_argument(
        "--allow-dropped-tracks",
        default="",
        metavar="KIND,...",
        help="tracks that may be missing: data, subtitle, audio:1",
    )
    parser.add_argument("--allow-pixel-format", action="store_true", help="the pixel format was changed on purpose")
    parser.add_argument(
        "--report",
        type=file_of,
        metavar="FILE.json",
        help="what `recast run --report` wrote: frames that it says did not decode whole are looked for as it says",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object; docs/using.md describes its fields")
    parser.add_argument("--endpoint-url", metavar="URL", help="the S3 endpoint of s3:// URIs")
    parser.set_defaults(body=verify)


def verify(options: argparse.Namespace) -> int:
    """Carry the command out."""
    dropped = frozenset(word.strip() for word in options.allow_dropped_tracks.split(",") if word.strip())
    allowed = Allowed(dropped, options.audio == "aac", options.allow_pixel_format, *_of_report(options.report))
    for text in (options.source, options.output):
        check_source(to_uri(text))
    with ExitStack() as stack:
        server = stack.enter_context(LoopbackServer(Storage(StorageSettings(endpoint=options.endpoint_url))))
        with server.blamed():
            checks = report.verify(
                _readable(options.source, server),
                _readable(options.output, server),
                expect="lossless" if options.lossless else "lossy",
                allowed=allowed,
            )
    if options.json:
        print(json.dumps(json_of(checks, options.source, options.output)))
    else:
        report.show(checks)
    return exitcodes.OK if all(check.ok for check in checks) else exitcodes.BAD_INPUT


def json_of(checks: Sequence[Check], source: str, output: str) -> dict[str, object]:
    """The checks for scripts; docs/using.md describes the fields."""
    return {
        "source": as_typed(to_uri(source)),
        "output": as_typed(to_uri(output)),
        "ok": all(check.ok for check in checks),
        "checks": [
            {"name": check.name, "result": report.word_of(check).lower(), "detail": check.detail} for check in checks
        ],
    }


def _of_report(path: Path | None) -> tuple[tuple[Replaced, ...], bool]:
    """The bad frames that a report names, and whether it says that packets of the source are missing.

    Raises:
        UsageError: it is none.
    """
    if path is None:
        return (), False
    try:
        report = json.loads(path.read_bytes())
        runs = report.get("badFrames", ())
        replaced = tuple(Replaced(int(run["first"]), int(run["frames"]), run["shows"]) for run in runs)
        return replaced, bool(report.get("lost"))
    except FileNotFoundError as error:
        raise NotFound(f"{path}: no such file: check the path") from error
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise UsageError(f"{path}: is no report of `recast run --report`") from error


def _readable(text: str, server: LoopbackServer) -> str:
    """What FFmpeg can open: a path, or the loopback URL of an object."""
    uri = to_uri(text)
    return server.url(uri) if uri.startswith("s3://") else uri.removeprefix("file://")
