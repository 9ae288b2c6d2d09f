"""The project's images, built by buildah as `make image` builds them, and handed to containerd.

Everything is kept in the user's cache folder: a second run builds and imports what has changed.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.build import cache_folder
from tests.e2e.node import PAUSE, Node

ROOT = Path(__file__).parents[2]
CONTROLLER = "localhost/recast-controller:e2e"
WORKER = "localhost/recast-segment-worker:e2e"
BASE = "localhost/recast-base:bookworm"
BUILD_SECONDS = 1800.0
SOURCES = Path("/etc/apt/sources.list.d/debian.sources")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Store:
    """Where images are kept.

    Attributes:
        folder: for all of it.
        say: gets lines of progress.
    """

    folder: Path
    say: Say

    @property
    def containerd(self) -> Path:
        """containerd's own images, unpacked."""
        return self.folder / "containerd"

    @property
    def buildah(self) -> list[str]:
        """buildah on images of our own."""
        kept, run = self.folder / "images", self.folder / "run"
        return ["buildah", "--root", str(kept), "--runroot", str(run), "--storage-driver", "overlay"]

    def build(self) -> None:
        """Build what has changed."""
        if not self._has(BASE):
            self._build_base()
        if not self._has(PAUSE):
            self._build_pause()
        self.say("building the images")
        started = time.monotonic()
        self._run(["docker/build"], environment=self._settings())
        self.say(f"built the images in {time.monotonic() - started:.0f} s")

    def hand_over(self, node: Node) -> None:
        """Import into containerd what it has not, or has of an older build."""
        record = self.containerd / "recast-imported.json"
        known = json.loads(record.read_text()) if record.exists() else {}
        for name in (PAUSE, CONTROLLER, WORKER):
            digest = self._run([*self.buildah, "images", "--format", "{{.ID}}", "--no-trunc", name]).strip()
            if known.get(name) == digest:
                continue
            started = time.monotonic()
            archive = self.folder / "image.tar"
            archive.unlink(missing_ok=True)
            self._run([*self.buildah, "push", "-q", name, f"docker-archive:{archive}:{name}"])
            node.ctr("images", "import", str(archive))
            archive.unlink()
            record.write_text(json.dumps(known := known | {name: digest}))
            self.say(f"imported {name} in {time.monotonic() - started:.0f} s")

    def _settings(self) -> dict[str, str]:
        settings = {
            "BUILDER": " ".join(self.buildah),
            "BASE": BASE,
            "RUNTIME": "cpu",
            "PREFIX": "localhost/",
            "TAG": "e2e",
        }
        certificates = Path(os.environ.get("SSL_CERT_FILE", CERTIFICATES))
        if certificates.exists():
            settings["CA_CRT"] = str(certificates)
        index = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("PIP_INDEX_URL")
        if index:
            uv, pip = self.folder / "uv.toml", self.folder / "pip.conf"
            uv.write_text(f'[[index]]\nurl = "{index}"\ndefault = true\n')
            pip.write_text(f"[global]\nindex-url = {index}\n")
            settings |= {"UV_TOML": str(uv), "PIP_CONF": str(pip)}
        return settings

    def _has(self, name: str) -> bool:
        done = subprocess.run([*self.buildah, "images", "-q", name], capture_output=True, timeout=60, check=False)
        return done.returncode == 0

    def _build_base(self) -> None:
        """Debian out of its packages, where no registry is needed."""
        self.say("building a base image out of Debian's packages, once")
        context = self.folder / "base"
        shutil.rmtree(context, ignore_errors=True)
        context.mkdir(parents=True)
        sources = [str(SOURCES)] if SOURCES.exists() else []
        bootstrap = ["mmdebstrap", "--variant=minbase", "--include=ca-certificates", "bookworm"]
        self._run([*bootstrap, str(context / "base.tar"), *sources])
        (context / "Dockerfile").write_text('FROM scratch\nADD base.tar /\nCMD ["/bin/sh"]\n')
        self._run([*self.buildah, "build", "--isolation", "chroot", "-q", "-t", BASE, str(context)])
        shutil.rmtree(context)

    def _build_pause(self) -> None:
        context = self.folder / "pause"
        context.mkdir(parents=True, exist_ok=True)
        shutil.copy(shutil.which("busybox") or "busybox", context / "busybox")
        (context / "Dockerfile").write_text(
            'FROM scratch\nCOPY busybox /busybox\nUSER 65535:65535\nENTRYPOINT ["/busybox", "sleep", "2147483647"]\n'
        )
        self._run([*self.buildah, "build", "--isolation", "chroot", "-q", "-t", PAUSE, str(context)])

    def _run(self, command: list[str], environment: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | (environment or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=BUILD_SECONDS,
        )
        if done.returncode:
            last = "\n".join(done.stdout.splitlines()[-15:])
            raise AssertionError(f"{' '.join(command[:2])} ended with {done.returncode}:\n{last}")
        return done.stdout


def default_store(say: Say) -> Store:
    """The store in the user's cache folder."""
    folder = cache_folder().parent / "e2e"
    folder.mkdir(parents=True, exist_ok=True)
    return Store(folder, say)
