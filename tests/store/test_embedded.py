"""The embedded store: keeps data through kills, keeps to itself, and dies with its parent."""

import os
import random
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recast.errors import BadConfig, Transient
from recast.storage import embedded
from recast.storage.embedded import EmbeddedStore, find_weed
from recast.storage.s3 import PART_BYTES
from recast.storage.storage import Storage

PARENT = """
import sys, time
from pathlib import Path
from recast.storage.embedded import EmbeddedStore
with EmbeddedStore(Path(sys.argv[1])) as store:
    print(store.process_id, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _installed() -> None:
    try:
        find_weed()
    except BadConfig as error:
        pytest.skip(str(error))


def storage_of(store: EmbeddedStore, patch: pytest.MonkeyPatch) -> Storage:
    """Give a storage with this store's credentials; it keeps them after its first call."""
    for name, value in store.environment().items():
        patch.setenv(name, value)
    storage = Storage(store.settings)
    assert list(storage.list(f"s3://{store.bucket}/none/")) == []
    return storage


def test_what_was_written_is_there_after_kills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = random.Random(5).randbytes(PART_BYTES + 1)
    (tmp_path / "file").write_bytes(content)
    for turn in range(2):
        with EmbeddedStore(tmp_path / "store") as store:
            storage = storage_of(store, monkeypatch)
            for earlier in range(turn):
                assert storage.get(f"s3://{store.bucket}/small{earlier}") == b"small"
                assert storage.get(f"s3://{store.bucket}/large{earlier}") == content
            assert storage.upload(f"s3://{store.bucket}/large{turn}", tmp_path / "file", if_absent=True)
            assert storage.put(f"s3://{store.bucket}/small{turn}", b"small", if_absent=True)
            assert store.process_id is not None
            os.kill(store.process_id, signal.SIGKILL)


def test_two_at_once_are_strangers(
    s3: EmbeddedStore, storage: Storage, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = prefix + "key"
    storage.put(uri, b"one")
    with EmbeddedStore(tmp_path) as other:
        second = storage_of(other, monkeypatch)
        assert not second.exists(uri)
        second.put(uri, b"two")
        assert storage.get(uri) == b"one"
        with pytest.raises(BadConfig, match="credentials"):
            Storage(s3.settings).get(uri)


def test_one_folder_serves_one_at_a_time(s3: EmbeddedStore, storage: Storage, prefix: str) -> None:
    with pytest.raises(Transient, match="in use"), EmbeddedStore(s3.folder):
        pass
    assert not storage.exists(prefix + "key")


def test_only_the_owner_and_this_machine_can_get_in(s3: EmbeddedStore) -> None:
    assert stat.S_IMODE((s3.folder / "s3.json").stat().st_mode) == 0o600
    if sys.platform == "linux":
        assert listening_addresses(s3.process_id) == {"127.0.0.1"}


def listening_addresses(pid: int | None) -> set[str]:
    """Give the addresses that a process listens on, IPv6 ones as hex."""
    own = socket_inodes(pid)
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in own:
                address = fields[1].split(":")[0]
                packed = bytes.fromhex(address)[::-1]
                found.add(socket.inet_ntoa(packed) if len(packed) == 4 else address)
    return found


def listening_paths(pid: int | None) -> list[Path]:
    """Give the paths of the UNIX sockets that a process listens on."""
    own = socket_inodes(pid)
    lines = [line.split() for line in Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:]]
    return [Path(fields[7]) for fields in lines if fields[6] in own and len(fields) == 8]


def socket_inodes(pid: int | None) -> set[str]:
    """Give the inodes of a process' sockets."""
    links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    return {link[8:-1] for link in links if link.startswith("socket:[")}


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux' tables of sockets")
def test_a_taken_port_is_given_up_and_no_socket_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    free_ports = embedded.free_ports
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        def ports() -> dict[str, int]:
            asked.append(1)
            return free_ports() | ({"s3": taken.getsockname()[1]} if len(asked) == 1 else {})

        monkeypatch.setattr(embedded, "free_ports", ports)
        with EmbeddedStore(tmp_path) as store:
            assert len(asked) == 2
            assert storage_of(store, monkeypatch).put(f"s3://{store.bucket}/key", b"")
            sockets = listening_paths(store.process_id)
    assert sockets
    assert not [path for path in sockets if path.exists()]


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel of Linux")
def test_it_dies_when_its_parent_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        server = int(parent.stdout.readline())
        parent.kill()
        parent.wait(5)
    end = time.monotonic() + 5
    while is_running(server) and time.monotonic() < end:
        time.sleep(0.02)
    assert not is_running(server)
    with EmbeddedStore(tmp_path):
        pass


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_sockets_of_the_dead_are_swept_and_those_of_the_living_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "SOCKETS", tmp_path)
    dead, young, living = (tmp_path / f"seaweedfs-{name}.sock" for name in ("dead", "young", "living"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(living))
        listener.listen()
        for path in (dead, young):
            with socket.socket(socket.AF_UNIX) as bound:
                bound.bind(str(path))
        for path in (dead, living):
            os.utime(path, (0, 0))
        embedded.remove_dead_sockets()
    assert (dead.exists(), young.exists(), living.exists()) == (False, True, True)


def test_without_seaweedfs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(BadConfig, match="local"):
        find_weed()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadConfig, match="folder"), EmbeddedStore(tmp_path / "file" / "store"):
        pass


def test_environment_drops_the_users_own() -> None:
    environment = EmbeddedStore(Path("unused")).environment({"AWS_PROFILE": "p", "AWS_SESSION_TOKEN": "t", "A": "b"})
    assert environment["A"] == "b"
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN"} & environment.keys()
