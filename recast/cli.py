"""The `recast` command."""

import argparse
import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from recast import exitcodes, log
from recast.errors import RecastError, Transient, UsageError
from recast.process.exhausted import exhaustion_told
from recast.wording import as_typed

EPILOG = """examples:
  recast run interview.mp4 out.mp4 --face ada.png --consent "release 2026-0117"
  recast run interview.mov out.mov --engine passthrough --quality lossless
  recast inspect interview.mp4
  recast preview interview.mp4 preview.png --face ada.png --at 00:01:03
  recast verify interview.mp4 out.mp4
  recast submit interview.yaml --wait
  recast submit template.yaml --each s3://studio/in/ --output s3://studio/out/
  recast explain interview

Each works as `kubectl recast COMMAND`, too.

exit codes: 0 done, 64 usage, 65 unusable input, 66 input not found, 69 storage unavailable, 70 a bug,
75 try again, 78 configuration, 130 Ctrl-C, 143 SIGTERM. After 69, 70, 75, 130 and 143 the same command goes on
where it stopped.
"""


BROKEN_PIPE = 141
"""The exit code where nobody reads the output any more: SIGPIPE's, as of other programs."""
PLUGIN = "kubectl-recast"


class _Parser(argparse.ArgumentParser):
    def format_help(self) -> str:
        text = super().format_help()
        # Examples as they are typed.
        return text.replace("\n  recast ", f"\n  {program()} ").replace("`recast ", f"`{program()} ")

    def error(self, message: str) -> NoReturn:
        dashed = next((word for word in sys.argv[1:] if word.startswith("-") and os.path.exists(word)), None)
        hint = f": write ./{dashed} where the file is meant" if dashed else ""
        raise UsageError(f"{message}{hint} (see `{self.prog} --help`)")

    def parse_known_args(  # type: ignore[override]  # narrower than typeshed's overloads
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Refuse what is left over, in the name of the command that it was given to."""
        found, left = super().parse_known_args(args, namespace)
        if left:
            self.error(f"unrecognized arguments: {' '.join(left)}{self._meant(left[0])}")
        return found, []

    def _meant(self, word: str) -> str:
        name = word.partition("=")[0]
        if name in self._option_string_actions:
            return ": behind -- all is taken for files: write it in front of that"
        close = difflib.get_close_matches(name, self._option_string_actions, n=1)
        return f": did you mean {close[0]}?" if close and word.startswith("--") else ""


COMMANDS = {
    "run": "swap faces in a video, on this machine",
    "inspect": "what a video is, where it would be cut, what is kept",
    "preview": "before and after of a few frames, as a picture",
    "verify": "check an output against its source",
    "clean": "remove leftovers of interrupted runs",
    "models": "keep the InSwapper engine's models in S3",
    "submit": "put jobs on a Kubernetes cluster, and wait for them",
    "list": "the jobs on a cluster, and how each stands",
    "explain": "why a job on a cluster does not move, and what to do",
    "logs": "what the pods of a job printed",
    "cancel": "stop jobs on a cluster and remove them",
}


def program() -> str:
    """What was typed: kubectl calls its plugins by their files' names."""
    return PLUGIN.replace("-", " ") if os.path.basename(sys.argv[0]).removesuffix(".exe") == PLUGIN else "recast"


def make_parser(chosen: str | None = None) -> argparse.ArgumentParser:
    """Build the parser.

    Args:
        chosen: the command whose module is imported for its arguments; the others get their line of help only,
            so that `recast --help` is there at once.
    """
    parser = _Parser(
        prog=program(),
        description="Swap faces in video: every frame once, at its exact time, every other track as it was.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    for name, text in COMMANDS.items():
        if name == chosen:
            importlib.import_module(f"recast.commands.{name}").add_parser(commands, text)
        else:
            commands.add_parser(name, help=text)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from importlib.metadata import version

        print(f"recast {version('recast')}")
        parser.exit()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    _open_missing_streams()
    try:
        words = sys.argv[1:] if arguments is None else list(arguments)
        chosen = next((word for word in words if not word.startswith("-")), None)
        options = make_parser(chosen).parse_args(words)
        with log.for_people(), exhaustion_told():
            code = int(options.body(options))
        _flush()
        return code
    except BrokenPipeError:
        return _unread()
    except RecastError as error:
        print(f"recast: {as_typed(str(error))}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        place = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
        print(f"recast: {place}{error.strerror or error}", file=sys.stderr)
        return exitcodes.BAD_CONFIG if isinstance(error, PermissionError) else exitcodes.TRY_AGAIN
    except Exception as error:
        log.debug("traceback", error=error)
        print(
            f"recast: {type(error).__name__}: {error} (a bug: please report it with RECAST_LOG=debug)", file=sys.stderr
        )
        return exitcodes.BUG
    except KeyboardInterrupt:
        print("recast: interrupted", file=sys.stderr)
        return exitcodes.INTERRUPTED


def _open_missing_streams() -> None:
    """Lead streams that were closed (`>&-`) nowhere: files that are opened later would take their places."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def _flush() -> None:
    """Write what is still to be said: here, and not at the end of the process, it can be told where that fails."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _say_no_more()
        raise Transient(f"standard output: {error.strerror}: not all that was to be said is there") from error


def _unread() -> int:
    """End as other programs do whose output goes to one that has read enough: without a word."""
    _say_no_more()
    return BROKEN_PIPE


def _say_no_more() -> None:
    """What is still buffered would fail again at the end of the process."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
