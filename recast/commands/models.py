"""`recast models`: InSwapper's models in S3, known by their content."""

import argparse
import sys

from recast import exitcodes, modelstore
from recast.commands.arguments import Commands, file_of, new_parser, to_uri
from recast.storage.storage import Storage, StorageSettings
from recast.wording import as_typed, size

HEAD = "examples:\n"
PUSH_EPILOG = """examples:
  recast models push ~/.insightface/models/buffalo_l s3://studio/models --licence "InsightFace, non-commercial"
  recast models push swapper/ s3://studio/models --licence "bought 2026-03-01, order 4711"
  recast models push swapper/ models/ --licence "bought 2026-03-01, order 4711"
"""
CHECK_EPILOG = """examples:
  recast models check s3://studio/models
  recast models check models/
"""
LIST_EPILOG = """examples:
  recast models list s3://studio/models
"""
REMOVE_EPILOG = """examples:
  recast models remove s3://studio/models w600k_mbf.onnx

A job that began with a file fails once it is gone.
"""
EPILOG = f"""{PUSH_EPILOG}{LIST_EPILOG.removeprefix(HEAD)}{CHECK_EPILOG.removeprefix(HEAD)}
FOLDER holds a detector (det_10g.onnx), a recogniser (w600k_r50.onnx) and inswapper_128.onnx or its fp16 form, in one or
in several pushes. recast brings no weights: whether you may use yours is between you and their owner, and --licence
keeps what you know of it beside the files. STORE may be a local folder, for `recast run`.
"""


def add_parser(commands: Commands, text: str) -> None:
    """Add the command to the parser."""
    description = "Keep the models of the InSwapper engine in S3, each known by its sha256."
    parser = new_parser(commands, "models", text, description, EPILOG)
    actions = parser.add_subparsers(metavar="ACTION", required=True, help="what to do")
    push = _add_action(actions, "push", "put the .onnx files of a folder into a store", PUSH_EPILOG)
    push.add_argument("folder", metavar="FOLDER", type=file_of, help="whose .onnx files are meant")
    push.add_argument("store", metavar="STORE", help="s3:// URI or path")
    push.add_argument("--licence", required=True, metavar="TEXT", help="under what you may use these files")
    push.set_defaults(body=push_models)
    listing = _add_action(actions, "list", "say what is in a store, and what the engine lacks", LIST_EPILOG)
    listing.add_argument("store", metavar="STORE", help="s3:// URI or path")
    listing.set_defaults(body=list_models)
    remove = _add_action(actions, "remove", "take files out of a store", REMOVE_EPILOG)
    remove.add_argument("store", metavar="STORE", help="s3:// URI or path")
    remove.add_argument("names", metavar="NAME.onnx", nargs="+", help="as `recast models list` says it")
    remove.set_defaults(body=remove_models)
    check = _add_action(actions, "check", "read every file of a store and compare its sha256", CHECK_EPILOG)
    check.add_argument("store", metavar="STORE", help="s3:// URI or path")
    check.set_defaults(body=check_models)
    for action in (push, listing, remove, check):
        action.add_argument("--endpoint-url", metavar="URL", help="the S3 endpoint (default: AWS)")


def _add_action(actions: Commands, name: str, text: str, epilog: str) -> argparse.ArgumentParser:
    return new_parser(actions, name, text, f"{text[0].upper()}{text[1:]}.", epilog)


def push_models(options: argparse.Namespace) -> int:
    """Carry `push` out."""
    store = _store(options)
    for file, sent in modelstore.push(_storage(options), options.folder, store, options.licence):
        print(f"{file.name}: {size(file.size)}, sha256 {file.sha256}{'' if sent else ', was there already'}")
    return exitcodes.OK


def list_models(options: argparse.Namespace) -> int:
    """Carry `list` out."""
    store = _store(options)
    manifest = modelstore.read_manifest(_storage(options), store)
    for file in manifest.files:
        print(f"{file.name}: {size(file.size)}, sha256 {file.sha256}, {file.licence}")
    if lacking := modelstore.lacking(manifest, store):
        print(f"recast: {as_typed(lacking)}", file=sys.stderr)
    return exitcodes.OK


def remove_models(options: argparse.Namespace) -> int:
    """Carry `remove` out."""
    for file in modelstore.remove(_storage(options), _store(options), options.names):
        print(f"{file.name}: {size(file.size)}, sha256 {file.sha256}: removed")
    return exitcodes.OK


def check_models(options: argparse.Namespace) -> int:
    """Carry `check` out."""
    code = exitcodes.OK
    for file, fault in modelstore.check(_storage(options), _store(options)):
        print(f"{'bad ' if fault else 'ok  '} {file.name}: {fault or f'{size(file.size)}, {file.licence}'}")
        code = exitcodes.BAD_CONFIG if fault else code
    return code


def _store(options: argparse.Namespace) -> str:
    return to_uri(options.store)


def _storage(options: argparse.Namespace) -> Storage:
    return Storage(StorageSettings(endpoint=options.endpoint_url))
