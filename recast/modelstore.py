"""A folder of models in S3, `recast models push` fills it: each file by its sha256, and a manifest that names them.

    <prefix>/models.json              names, sizes, sha256 and licences; written last
    <prefix>/files/<sha256>.onnx      the files

A node keeps what it has downloaded by the same hash, for all pods that share the folder.
"""

import fcntl
import hashlib
import os
import re
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

from pydantic import StringConstraints

from recast import log, names
from recast.errors import BadConfig, Corrupt, NotFound
from recast.fields import Model
from recast.layout import file_sha256
from recast.onnxheads import is_onnx
from recast.process.exhausted import raise_if_exhausted
from recast.spec import Engine
from recast.storage.storage import Storage

Role = Literal["detector", "recogniser", "swapper", "occluder"]

NO_MODEL = "no ONNX model, or one that is cut off"
MANIFEST = "models.json"
SUFFIX = ".onnx"
SHA256_PATTERN = r"^[0-9a-f]{64}$"
"""A hash names files here and in the store: anything else could name one outside."""
CACHE_VARIABLE = "RECAST_MODEL_CACHE"
# How InsightFace and its users call them.
_NAMES: dict[Role, tuple[str, ...]] = {
    "detector": ("det_10g.onnx", "det_2.5g.onnx", "det_500m.onnx", "scrfd_10g_bnkps.onnx", "scrfd_2.5g_bnkps.onnx"),
    "recogniser": ("w600k_r50.onnx", "w600k_mbf.onnx", "glintr100.onnx"),
    "swapper": ("inswapper_128.onnx",),
}
_HALF_SWAPPER = ("inswapper_128_fp16.onnx",)


class ModelFile(Model):
    """One file of a store.

    Attributes:
        name: as its users know it.
        licence: under what its owner may use it, in their words.
    """

    name: str
    sha256: Annotated[str, StringConstraints(pattern=SHA256_PATTERN)]
    size: int
    licence: str


class ModelManifest(Model):
    """What a store holds."""

    version: Literal[1] = 1
    files: tuple[ModelFile, ...] = ()


def folder_of(uri: str) -> str:
    """A store's URI with its slash."""
    return uri if uri.endswith("/") else f"{uri}/"


def file_uri(store: str, sha256: str) -> str:
    """Where a store keeps a file."""
    return f"{folder_of(store)}files/{sha256}{SUFFIX}"


def read_manifest(storage: Storage, store: str) -> ModelManifest:
    """Read what a store holds.

    Raises:
        BadConfig: there is no store, or its manifest is none.
    """
    uri = folder_of(store) + MANIFEST
    try:
        return ModelManifest.model_validate_json(storage.get(uri))
    except NotFound as error:
        raise BadConfig(
            f"{store}: no model store: fill it by `recast models push FOLDER {store} --licence TEXT`",
            reason=names.MISSING_MODEL,
        ) from error
    except ValueError as error:
        raise BadConfig(f"{uri}: not a model store's manifest: push the models anew", reason=names.MISSING_MODEL) from (
            error
        )


def chosen_files(
    manifest: ModelManifest, store: str, *, half: bool, occluder: str | None = None
) -> dict[Role, ModelFile]:
    """The files that the InSwapper engine runs.

    Args:
        manifest: of the store.
        store: for messages.
        half: the swapper in half precision.
        occluder: name of the occlusion model, where one is asked for.

    Raises:
        BadConfig: one is missing.
    """
    there = {file.name: file for file in manifest.files}
    found: dict[Role, ModelFile] = {}
    asked = _NAMES | ({"occluder": (occluder,)} if occluder is not None else {})
    for role, known in asked.items():
        wanted = _HALF_SWAPPER if role == "swapper" and half else known
        file = next((there[name] for name in wanted if name in there), None)
        if file is None:
            has = ", ".join(sorted(there)) or "nothing"
            raise BadConfig(
                f"{store}: no {role} in it: push {' or '.join(wanted)} (it has {has})",
                reason=names.MISSING_MODEL,
            )
        found[role] = file
    return found


def files_of(storage: Storage, engine: Engine) -> dict[Role, ModelFile]:
    """The files that an engine with models runs, out of its store.

    Raises:
        BadConfig: there is no store, or a file is missing.
    """
    store = engine.models or ""
    half, occluder = engine.precision == "Fp16", engine.mask.occluder
    return chosen_files(read_manifest(storage, store), store, half=half, occluder=occluder)


def push(storage: Storage, folder: Path, store: str, licence: str) -> list[tuple[ModelFile, bool]]:
    """Put the models of a folder into a store; what is there already is not sent again.

    Args:
        storage: where the store is.
        folder: whose .onnx files are sent.
        store: the store's URI.
        licence: of these files.

    Returns:
        each file, and whether it was sent.

    Raises:
        NotFound: there is no such folder.
        BadConfig: there is no .onnx file in the folder, or one of them is no model.
    """
    if not folder.is_dir():
        raise NotFound(f"{folder}: no such folder: give the one that the {SUFFIX} files are in")
    paths = sorted(path for path in folder.glob(f"*{SUFFIX}") if path.is_file())
    if not paths:
        raise BadConfig(f"{folder}: no {SUFFIX} file in it")
    for path in paths:
        with path.open("rb") as file:
            if not is_onnx(file):
                raise BadConfig(f"{path}: {NO_MODEL}: get it again, or take it out of the folder")
    if store.startswith("file://"):
        Path(folder_of(store).removeprefix("file://"), "files").mkdir(parents=True, exist_ok=True)
    done = []
    for path in paths:
        sha256 = file_sha256(path)
        entry = ModelFile(name=path.name, sha256=sha256, size=path.stat().st_size, licence=licence)
        uri = file_uri(store, sha256)
        absent = not storage.exists(uri)
        if absent:
            storage.upload(uri, path)
        done.append((entry, absent))
    try:
        before = read_manifest(storage, store).files
    except BadConfig:
        before = ()
    mine = {entry.name: entry for entry, _ in done}
    kept = [file for file in before if file.name not in mine]
    _write_manifest(storage, store, [*kept, *mine.values()])
    return done


def _write_manifest(storage: Storage, store: str, files: Collection[ModelFile]) -> None:
    manifest = ModelManifest(files=tuple(sorted(files, key=lambda file: file.name)))
    storage.put(folder_of(store) + MANIFEST, manifest.model_dump_json(by_alias=True, indent=1).encode())


def remove(storage: Storage, store: str, wanted: Collection[str]) -> list[ModelFile]:
    """Take files out of a store; their content goes where no other name has it. A job that began with one fails.

    Args:
        storage: where the store is.
        store: the store's URI.
        wanted: the files' names.

    Returns:
        the files.

    Raises:
        BadConfig: there is no store, or no file of a name in it.
    """
    manifest = read_manifest(storage, store)
    gone = [file for file in manifest.files if file.name in wanted]
    if missing := sorted(set(wanted) - {file.name for file in gone}):
        has = ", ".join(file.name for file in manifest.files) or "nothing"
        raise BadConfig(f"{store}: no {', '.join(missing)} in it (it has {has})")
    kept = tuple(file for file in manifest.files if file not in gone)
    _write_manifest(storage, store, kept)
    for sha256 in {file.sha256 for file in gone} - {file.sha256 for file in kept}:
        storage.delete(file_uri(store, sha256))
    return gone


def check(storage: Storage, store: str) -> Iterator[tuple[ModelFile, str]]:
    """Read every file of a store; gives each, and what is wrong with it, empty where nothing is."""
    for file in read_manifest(storage, store).files:
        digest = hashlib.sha256()
        try:
            with storage.open(file_uri(store, file.sha256)) as source:
                sound = is_onnx(source)
                source.seek(0)
                while piece := source.read(1 << 20):
                    digest.update(piece)
        except NotFound:
            yield file, "is not there: push it again"
            continue
        if digest.hexdigest() != file.sha256:
            yield file, f"its content has sha256 {digest.hexdigest()}: delete it and push it again"
        else:
            yield file, "" if sound else f"{NO_MODEL}: push the right file by this name"


def lacking(manifest: ModelManifest, store: str) -> str:
    """What a store lacks for the engine, in either precision, in words; empty where nothing is lacking."""
    said = ""
    for half in (True, False):
        try:
            chosen_files(manifest, store, half=half)
        except BadConfig as error:
            said = str(error)
        else:
            return ""
    return said


def cached(storage: Storage, store: str, name: str, sha256: str, folder: Path) -> Path:
    """A file of a store on this node; downloaded once for all that share `folder`, and checked each time.

    Raises:
        BadConfig: it is not in the store, or its content is not what the job was begun with.
    """
    if not re.fullmatch(SHA256_PATTERN, sha256):
        raise BadConfig(f"{name}: {sha256!r:.100} is no sha256: start the job anew", reason=names.INPUTS_CHANGED)
    path = folder / f"{sha256}{SUFFIX}"
    with alone(folder / f"{sha256}.lock"):
        if path.exists():
            if file_sha256(path) == sha256:
                return path
            log.warning("model on this node is damaged: downloaded again", model=name, path=str(path))
            path.unlink()
        uri = file_uri(store, sha256)
        try:
            storage.download(uri, path, sha256=sha256)
        except NotFound as error:
            raise BadConfig(f"{uri}: {name} is not there: push it again", reason=names.MISSING_MODEL) from error
        except Corrupt as error:
            raise BadConfig(f"{name}: {error}", reason=names.MISSING_MODEL) from error
    log.info("model downloaded", model=name, bytes=path.stat().st_size)
    return path


def default_cache() -> Path:
    """Where a worker keeps models if nothing else is named."""
    return Path(tempfile.gettempdir(), "recast-models")


def cache_folder() -> Path:
    """Where this node keeps models: what RECAST_MODEL_CACHE names, else `default_cache`."""
    folder = Path(os.environ.get(CACHE_VARIABLE) or default_cache())
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise_if_exhausted(error, str(folder))
        raise BadConfig(f"{folder}: models cannot be kept there: {error}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadConfig(
            f"{folder}: models cannot be kept there: user {os.getuid()} may not write to it: give it to them"
        )
    return folder


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a lock file: one process at a time."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
