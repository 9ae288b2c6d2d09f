"""Keys and certificates of a test cluster, made by openssl."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.build import Unavailable

OPENSSL_SECONDS = 30
DAYS = "30"
_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", DAYS]


@dataclass(frozen=True)
class Certificate:
    """Two PEM files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority in a folder, and the service accounts' key pair beside it.

    Args:
        folder: an existing one; all files go there.
    """

    def __init__(self, folder: Path) -> None:
        if shutil.which("openssl") is None:
            raise Unavailable("no openssl here to make the test cluster's certificates with: install openssl 3")
        self.folder = folder
        self.certificate = folder / "ca.crt"
        self.service_accounts = Certificate(folder / "sa.pub", folder / "sa.key")
        self._key = folder / "ca.key"
        self._openssl("req", "-x509", *_KEY, "-keyout", self._key, "-out", self.certificate, "-subj", "/CN=recast-test")
        own = self.service_accounts
        self._openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", own.key)
        self._openssl("ec", "-in", own.key, "-pubout", "-out", own.certificate)

    def server(self, name: str, alternatives: Sequence[str]) -> Certificate:
        """Make a server's certificate; alternatives are such as IP:127.0.0.1 and DNS:localhost."""
        return self._leaf(name, f"/CN={name}", f"subjectAltName={','.join(alternatives)}", "serverAuth")

    def client(self, file: str, user: str, groups: Sequence[str] = ()) -> Certificate:
        """Make the certificate of a Kubernetes user: the common name is the user, organisations are groups."""
        subject = "".join(f"/O={_escaped(group)}" for group in groups) + f"/CN={_escaped(user)}"
        return self._leaf(file, subject, "keyUsage=digitalSignature", "clientAuth")

    def _leaf(self, file: str, subject: str, extension: str, usage: str) -> Certificate:
        made = Certificate(self.folder / f"{file}.crt", self.folder / f"{file}.key")
        extensions = ["basicConstraints=critical,CA:FALSE", extension, f"extendedKeyUsage={usage}"]
        self._openssl(
            "req", "-x509", *_KEY, "-CA", self.certificate, "-CAkey", self._key,
            "-keyout", made.key, "-out", made.certificate, "-subj", subject,
            *(part for each in extensions for part in ("-addext", each)),
        )  # fmt: skip
        return made

    def _openssl(self, *arguments: str | Path) -> None:
        done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, timeout=OPENSSL_SECONDS)
        if done.returncode:
            raise Unavailable(f"openssl {arguments[0]} failed; version 3 is needed: {done.stderr.strip()[-300:]}")


def _escaped(name: str) -> str:
    return name.replace("\\", "\\\\").replace("/", "\\/")
