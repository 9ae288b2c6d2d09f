import hashlib
import os
from pathlib import Path

import pytest

from recast import names
from recast.errors import BadConfig, NotFound
from recast.modelstore import (
    CACHE_VARIABLE,
    ModelFile,
    ModelManifest,
    cache_folder,
    cached,
    check,
    chosen_files,
    file_uri,
    folder_of,
    lacking,
    push,
    read_manifest,
    remove,
)
from recast.storage.storage import Storage


def folder_with(folder: Path, **files: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / f"{name}.onnx").write_bytes(model(data))
    return folder


def model(content: bytes) -> bytes:
    """What is laid out as an ONNX model: its version, and a graph that is none."""
    return b"\x08\x08\x3a" + bytes([len(content)]) + content


def test_what_is_pushed_is_named_by_its_content_and_found_again(storage: Storage, prefix: str, tmp_path: Path) -> None:
    done = push(storage, folder_with(tmp_path / "a", det_10g=b"1", inswapper_128=b"2"), prefix, "bought")
    assert [(file.name, sent) for file, sent in done] == [("det_10g.onnx", True), ("inswapper_128.onnx", True)]
    manifest = read_manifest(storage, prefix)
    assert [(file.name, file.size, file.licence) for file in manifest.files] == [
        ("det_10g.onnx", 5, "bought"),
        ("inswapper_128.onnx", 5, "bought"),
    ]
    assert all(fault == "" for _, fault in check(storage, prefix))


def test_a_second_push_adds_replaces_and_sends_nothing_twice(storage: Storage, prefix: str, tmp_path: Path) -> None:
    push(storage, folder_with(tmp_path / "a", det_10g=b"1", other=b"2"), prefix, "old")
    done = push(storage, folder_with(tmp_path / "b", det_10g=b"1", inswapper_128=b"3"), prefix.rstrip("/"), "new")
    assert [sent for _, sent in done] == [False, True]
    found = {file.name: file.licence for file in read_manifest(storage, prefix).files}
    assert found == {"det_10g.onnx": "new", "inswapper_128.onnx": "new", "other.onnx": "old"}


def test_a_folder_may_be_a_store(storage: Storage, tmp_path: Path) -> None:
    store = f"file://{tmp_path}/store"
    push(storage, folder_with(tmp_path / "a", det_10g=b"1"), store, "own")
    assert [file.name for file in read_manifest(storage, store).files] == ["det_10g.onnx"]


def test_a_folder_that_is_empty_or_none_is_refused(storage: Storage, prefix: str, tmp_path: Path) -> None:
    (tmp_path / "file.onnx.txt").touch()
    for name in ("none", "file.onnx.txt"):
        with pytest.raises(NotFound, match=f"{name}: no such folder"):
            push(storage, tmp_path / name, prefix, "own")
    with pytest.raises(BadConfig, match=r"no \.onnx file"):
        push(storage, tmp_path, prefix, "own")


def test_what_is_no_model_is_not_pushed_nor_called_one(storage: Storage, prefix: str, tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "a", det_10g=b"1")
    (folder / "w600k_r50.onnx").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(BadConfig, match=r"w600k_r50\.onnx: no ONNX model, or one that is cut off"):
        push(storage, folder, prefix, "own")
    assert not storage.exists(f"{prefix}models.json")
    old = hashlib.sha256(b"a picture").hexdigest()
    storage.put(file_uri(prefix, old), b"a picture")
    file = ModelFile(name="a.onnx", sha256=old, size=9, licence="own")
    storage.put(f"{prefix}models.json", ModelManifest(files=(file,)).model_dump_json(by_alias=True).encode())
    ((_, fault),) = check(storage, prefix)
    assert fault.startswith("no ONNX model")


def test_a_file_is_removed_with_its_content_unless_another_name_has_it(
    storage: Storage, prefix: str, tmp_path: Path
) -> None:
    (one, _), (two, _), _ = push(storage, folder_with(tmp_path / "a", a=b"1", b=b"2", c=b"2"), prefix, "own")
    with pytest.raises(BadConfig, match=r"no x\.onnx in it \(it has a\.onnx, b\.onnx, c\.onnx\)"):
        remove(storage, prefix, ["a.onnx", "x.onnx"])
    assert [file.name for file in remove(storage, prefix, ["a.onnx", "b.onnx"])] == ["a.onnx", "b.onnx"]
    assert [(file.name, fault) for file, fault in check(storage, prefix)] == [("c.onnx", "")]
    assert not storage.exists(file_uri(prefix, one.sha256)) and storage.exists(file_uri(prefix, two.sha256))


def test_what_a_store_lacks_is_said_whichever_precision_it_has() -> None:
    every = ("det_10g.onnx", "w600k_r50.onnx", "inswapper_128_fp16.onnx")
    assert lacking(manifest(*every), "s3://m") == ""
    assert lacking(manifest(*every[:2], "inswapper_128.onnx"), "s3://m") == ""
    assert "no swapper in it: push inswapper_128.onnx" in lacking(manifest(*every[:2]), "s3://m")


@pytest.mark.parametrize("text", [None, b"{", b'{"version": 2}'])
def test_what_is_no_store_is_said_to_be_none(storage: Storage, prefix: str, text: bytes | None) -> None:
    if text is not None:
        storage.put(f"{prefix}models.json", text)
    with pytest.raises(BadConfig, match="push") as refused:
        read_manifest(storage, prefix)
    assert refused.value.reason == names.MISSING_MODEL


def test_damage_is_found(storage: Storage, prefix: str, tmp_path: Path) -> None:
    (one, _), (two, _), _ = push(storage, folder_with(tmp_path / "a", a=b"1", b=b"2", c=b"3"), prefix, "own")
    storage.put(file_uri(prefix, one.sha256), b"x")
    storage.delete(file_uri(prefix, two.sha256))
    faults = [fault for _, fault in check(storage, prefix)]
    assert "its content has sha256" in faults[0] and "not there" in faults[1] and faults[2] == ""


def manifest(*found: str) -> ModelManifest:
    return ModelManifest(files=tuple(ModelFile(name=name, sha256=64 * "0", size=1, licence="own") for name in found))


def test_files_are_chosen_by_their_names() -> None:
    every = ("det_10g.onnx", "w600k_r50.onnx", "inswapper_128.onnx", "inswapper_128_fp16.onnx", "genderage.onnx")
    names_of = {role: file.name for role, file in chosen_files(manifest(*every), "s3://m", half=False).items()}
    assert names_of == {
        "detector": "det_10g.onnx",
        "recogniser": "w600k_r50.onnx",
        "swapper": "inswapper_128.onnx",
    }
    assert chosen_files(manifest(*every), "s3://m", half=True)["swapper"].name == "inswapper_128_fp16.onnx"
    with pytest.raises(BadConfig, match=r"push inswapper_128_fp16\.onnx"):
        chosen_files(manifest(*every[:3]), "s3://m", half=True)


def test_a_node_keeps_what_it_has(storage: Storage, prefix: str, tmp_path: Path) -> None:
    ((file, _),) = push(storage, folder_with(tmp_path / "a", det_10g=b"weights"), prefix, "own")
    path = cached(storage, prefix, file.name, file.sha256, tmp_path)
    assert path.read_bytes() == model(b"weights")
    storage.delete(file_uri(prefix, file.sha256))
    assert cached(storage, prefix, file.name, file.sha256, tmp_path) == path
    path.write_bytes(b"damaged")
    with pytest.raises(BadConfig, match="push it again"):
        cached(storage, prefix, file.name, file.sha256, tmp_path)


def test_a_folder_of_a_store_ends_with_a_slash() -> None:
    assert folder_of("s3://a/b") == folder_of("s3://a/b/") == "s3://a/b/"


def test_a_cache_that_cannot_be_written_names_itself_and_who_wants_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a folder of the node is that Kubernetes has made for a pod."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert cache_folder() == tmp_path
    # Root may write anywhere.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(BadConfig, match=rf"{tmp_path}: .* user {os.getuid()} may not write to it"):
        cache_folder()
