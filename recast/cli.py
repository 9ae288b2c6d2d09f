"""The `recast` command."""

import argparse
import sys
from collections.abc import Sequence

from recast import exitcodes
from recast.errors import RecastError, UsageError

EPILOG = """examples:
  recast run interview.mp4 out.mp4 --face ada.png --consent "release 2026-0117"
  recast run interview.mov out.mov --engine passthrough --quality lossless
  recast inspect interview.mp4
  recast preview interview.mp4 preview.png --face ada.png --at 00:01:03
  recast verify interview.mp4 out.mp4

exit codes: 0 done, 64 usage, 65 unusable input, 66 input not found, 69 storage unavailable, 70 a bug,
75 try again, 78 configuration, 130 Ctrl-C, 143 SIGTERM. After 69, 70, 75, 130 and 143 the same command goes on
where it stopped.
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]  # argparse' own never returns either
        raise UsageError(f"{message} (see `{self.prog} --help`)")


def make_parser() -> argparse.ArgumentParser:
    """Build the parser; each command adds its own arguments and the function that carries it out."""
    from recast.commands import clean, inspect, preview, run, verify

    parser = _Parser(
        prog="recast",
        description="Swap faces in video: every frame once, at its exact time, every other track as it was.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    for module in (run, inspect, preview, verify, clean):
        module.add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    try:
        options = make_parser().parse_args(arguments)
        return int(options.body(options))
    except RecastError as error:
        print(f"recast: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("recast: interrupted", file=sys.stderr)
        return exitcodes.INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
