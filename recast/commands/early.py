"""What can be known of a run before any work: that its files are there, and what they are."""

import os
from pathlib import Path

from recast import names
from recast.errors import EXISTS, BadConfig, NotFound, UsageError
from recast.faceimages import read_face_image
from recast.media.imageheads import check_head
from recast.media.limits import refuse_empty
from recast.spec import FacePair, JobSpec, Limits
from recast.storage.files import FileStore
from recast.storage.storage import Storage, StorageSettings

LOCAL = "file://"


def check_source(uri: str) -> None:
    """Refuse a local source that is not there, or that is no file with something in it.

    Raises:
        NotFound: it is not there, or may not be read.
        BadInput: it cannot be a video.
    """
    if _is_local(uri):
        with FileStore().open(uri, etag=None) as reader:
            refuse_empty(uri, reader.size)


def check_photos(faces: tuple[FacePair, ...], limits: Limits) -> None:
    """Refuse local photos that are not there, or are no images.

    Raises:
        NotFound: one is not there.
        BadInput: one is no image, or a larger one than is allowed.
    """
    for pair in faces:
        for uri in filter(_is_local, pair.source):
            _check_photo(uri, limits)
        reference = pair.target.reference
        if reference and _is_local(reference):
            _check_reference(reference, limits)


def _is_local(uri: str) -> bool:
    return uri.startswith(LOCAL)


def _check_photo(uri: str, limits: Limits) -> None:
    check_head(uri, read_face_image(Storage(StorageSettings(endpoint=None)), uri, limits), limits.image_pixels)


def _check_reference(uri: str, limits: Limits) -> None:
    try:
        _check_photo(uri, limits)
    except NotFound as error:
        if "." in Path(uri).name:
            raise
        words = "largest, all, leftmost, rightmost, a number, or a photo of the person"
        raise NotFound(f"{uri}: no such file; whom to change is one of {words}") from error


def check_output(spec: JobSpec, folder: Path) -> None:
    """Refuse early what would be refused late; a run that was cut short may have published already.

    Args:
        spec: the job.
        folder: where a run that was cut short left what it did.
    """
    path, source = Path(spec.output.uri.removeprefix(LOCAL)), Path(spec.source.uri.removeprefix(LOCAL))
    if not os.access(path.parent, os.W_OK | os.X_OK) or not path.parent.is_dir():
        raise BadConfig(f"{path}: its folder does not exist or cannot be written: make it or choose another")
    if path.exists() and source.exists() and path.samefile(source):
        raise UsageError(f"{path}: SOURCE and OUTPUT are the same file")
    if path.is_dir():
        raise UsageError(f"{path}: is a folder: give a file name in it")
    # A link that leads nowhere is none that a run has published.
    published = folder.exists() and path.exists()
    if os.path.lexists(path) and not spec.output.overwrite and not published:
        raise BadConfig(f"{path}: {EXISTS}", reason=names.OUTPUT_EXISTS)


def check_place(path: Path, what: str) -> None:
    """Refuse a file's name where none can be written."""
    if not os.access(path.absolute().parent, os.W_OK | os.X_OK) or path.is_dir():
        raise BadConfig(f"{path}: the {what} cannot be written there: choose another file")


def check_report(path: Path, spec: JobSpec) -> None:
    """See to it that a report takes the place of nothing but an earlier report."""
    check_place(path, "report")
    if f"{LOCAL}{path.resolve()}" == spec.output.uri:
        raise UsageError(f"{path}: is OUTPUT: choose another file for the report")
    if path.exists() and _first_byte(path) not in (b"", b"{"):
        raise UsageError(f"{path}: exists already and is no report: choose another file for it")


def _first_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(1)
