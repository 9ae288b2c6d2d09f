"""`recast clean`: remove what interrupted runs left behind."""

import argparse
import json
import time
from datetime import timedelta
from pathlib import Path

from recast import exitcodes
from recast.commands.arguments import Commands, new_parser
from recast.commands.early import LOCAL
from recast.local.kept import JOB, is_in_use, remove_folder, remove_run, runs_folder
from recast.process.temporary import abandoned_folders
from recast.storage.stored import local_path
from recast.wording import as_typed, size, span

EPILOG = """examples:
  recast clean --dry-run
  recast clean

They are in ~/.cache/recast, or in recast under $XDG_CACHE_HOME; temporary files of runs that were killed are in
$TMPDIR, or in /tmp.
"""


def add_parser(commands: Commands, text: str) -> None:
    """Add the command to the parser."""
    description = (
        "Remove the embedded stores of interrupted runs, and temporary files of runs that were killed. "
        "Runs that are going on are left alone."
    )
    parser = new_parser(commands, "clean", text, description, EPILOG)
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    parser.set_defaults(body=clean)


def clean(options: argparse.Namespace) -> int:
    """Carry the command out."""
    done = "would be removed" if options.dry_run else "removed"
    stores = sorted(path for path in runs_folder().glob("*") if path.is_dir())
    for folder in stores:
        if is_in_use(folder):
            print(f"{folder}: in use, left alone")
            continue
        said = f"{folder}: {_job(folder)}, {_extent(folder)}"
        if not options.dry_run:
            remove_run(folder)
        print(f"{said}: {done}")
    killed = 0
    for folder in abandoned_folders():
        killed += 1
        said = f"{folder}: temporary files of a run that was killed, {_extent(folder)}"
        if not options.dry_run:
            remove_folder(folder)
        print(f"{said}: {done}")
    if not stores and not killed:
        print(f"{runs_folder()}: nothing to remove")
    return exitcodes.OK


def _extent(folder: Path) -> str:
    """How large it is, and how long ago anything in it was written."""
    found = [path.stat() for path in (folder, *folder.rglob("*")) if path.is_file() or path == folder]
    age = timedelta(seconds=time.time() - max(each.st_mtime for each in found))
    return f"{size(sum(each.st_size for each in found[1:]))}, {span(age)} old"


def _job(folder: Path) -> str:
    try:
        job = json.loads((folder / JOB).read_text())
        source, output = job["source"], job["output"]
    except (OSError, ValueError, KeyError):
        return "an unknown job"
    gone = source.startswith(LOCAL) and not local_path(source).exists()
    return f"{as_typed(source)}{' (which is gone)' if gone else ''} to {as_typed(output)}"
