"""`file://` URIs: read in place, published whole or not at all."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from recast.errors import BadConfig, BadInput, NotFound, RecastError, Transient
from recast.storage.storage import Storage, StorageSettings


@pytest.fixture
def files() -> Storage:
    return Storage(StorageSettings(endpoint=None))


@pytest.mark.parametrize("name", ["plain", "with space", "per%20cent", "üñí", "a#b?c", "n" * 255])
def test_roundtrip_leaves_only_the_file(files: Storage, tmp_path: Path, name: str) -> None:
    uri = f"file://{tmp_path / name}"
    assert files.put(uri, b"one")
    assert files.put(uri, b"two")
    assert not files.put(uri, b"three", if_absent=True)
    assert files.get(uri) == b"two"
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert [info.uri for info in files.list(f"file://{tmp_path}" + "/")] == [uri]
    files.delete(uri)
    files.delete(uri)
    assert not files.exists(uri)


def test_upload_and_download(files: Storage, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x" * 3_000_000)
    uri = f"file://{tmp_path / 'out'}"
    assert files.upload(uri, tmp_path / "source", if_absent=True)
    files.download(uri, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "source").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back", "out", "source"]


def test_race_has_one_winner_and_shows_only_whole_files(files: Storage, tmp_path: Path) -> None:
    uri = f"file://{tmp_path / 'out'}"
    start = threading.Barrier(8)
    won: list[int] = []

    def write(number: int) -> None:
        start.wait()
        if files.put(uri, bytes([number]) * 100_000, if_absent=True):
            won.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert files.get(uri) == bytes(won) * 100_000
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("if_absent", [True, False])
@pytest.mark.parametrize("failure", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_a_failure_leaves_nothing(
    files: Storage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failure: BaseException,
    if_absent: bool,
) -> None:
    def fail(descriptor: int) -> None:
        raise failure

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises((KeyboardInterrupt, Transient)):
        files.put(f"file://{tmp_path / 'out'}", b"data", if_absent=if_absent)
    assert list(tmp_path.iterdir()) == []


def test_without_hard_links(files: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    uri = f"file://{tmp_path / 'out'}"
    assert files.put(uri, b"one", if_absent=True)
    assert not files.put(uri, b"two", if_absent=True)
    assert files.get(uri) == b"one"
    assert len(list(tmp_path.iterdir())) == 1


def test_where_nothing_can_be_written(files: Storage, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for target in ("missing/out", "file/out", "folder"):
        with pytest.raises(BadConfig, match="out|folder"):
            files.put(f"file://{tmp_path / target}", b"")


WRITES_FOR_EVER = """
import sys, time
from pathlib import Path
from recast.storage.files import replacing
with replacing(Path(sys.argv[1])) as part:
    part.write_bytes(b"half")
    print(part, flush=True)
    time.sleep(60)
"""


def test_what_a_killed_writer_left_is_removed_and_a_living_ones_is_kept(files: Storage, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    with subprocess.Popen([sys.executable, "-c", WRITES_FOR_EVER, target], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        part = Path(writer.stdout.readline().rstrip())
        files.drop_uploads(target.as_uri())
        assert part.read_bytes() == b"half"
        writer.kill()
    assert part.exists()
    (tmp_path / ".other.mp4.recast-1-00.part").touch()
    files.drop_uploads(f"file://{tmp_path}/")
    assert part.exists()
    files.drop_uploads(target.as_uri())
    assert [path.name for path in tmp_path.iterdir()] == [".other.mp4.recast-1-00.part"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(files: Storage, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(BadConfig, match="permissions"):
        files.put(f"file://{tmp_path / 'out'}", b"")


def test_what_cannot_be_read(files: Storage, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    cases: list[tuple[str, type[RecastError]]] = [
        (f"file://{tmp_path / 'missing'}", NotFound),
        (f"file://{tmp_path}", BadInput),
        (f"file://{tmp_path / 'pipe'}", BadInput),
        ("file:relative", BadConfig),
        ("file://host/path", BadConfig),
        ("http://host/path", BadConfig),
    ]
    for uri, kind in cases:
        for read in (files.head, files.get, files.open):
            with pytest.raises(kind):
                read(uri)


def test_a_file_written_to_while_it_is_read(files: Storage, tmp_path: Path) -> None:
    path = tmp_path / "source"
    path.write_bytes(bytes(5_000_000))
    pinned = files.head(path.as_uri()).etag
    reader = files.open(path.as_uri(), etag=pinned)
    reader.read(10)
    with path.open("ab") as file:
        file.write(b"more")
    with pytest.raises(BadInput, match="changed"):
        reader.read()
    with pytest.raises(BadInput, match="changed"):
        reader.close()
    with pytest.raises(BadInput, match="changed"):
        files.open(path.as_uri(), etag=pinned)
