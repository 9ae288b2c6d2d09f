"""`recast clean`: remove what interrupted runs left behind."""

import argparse
import json
from pathlib import Path

from recast import exitcodes
from recast.commands.arguments import Commands
from recast.local import is_in_use, remove_run, runs_folder
from recast.wording import size

EPILOG = """examples:
  recast clean --dry-run
  recast clean

They are in ~/.cache/recast, or in recast under $XDG_CACHE_HOME.
"""


def add_parser(commands: Commands, text: str) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "clean",
        help=text,
        description="Remove the embedded stores of interrupted runs. Runs that are going on are left alone.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    parser.set_defaults(body=clean)


def clean(options: argparse.Namespace) -> int:
    """Carry the command out."""
    folders = sorted(path for path in runs_folder().glob("*") if path.is_dir())
    for folder in folders:
        if is_in_use(folder):
            print(f"{folder}: in use, left alone")
            continue
        total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        print(f"{folder}: {_job(folder)}, {size(total)}{'' if options.dry_run else ' removed'}")
        if not options.dry_run:
            remove_run(folder)
    if not folders:
        print(f"{runs_folder()}: nothing to remove")
    return exitcodes.OK


def _job(folder: Path) -> str:
    try:
        job = json.loads((folder / "job.json").read_text())
        return f"{job['source']} to {job['output']}"
    except (OSError, ValueError, KeyError):
        return "an unknown job"
