"""Writes into docs/licences.md which packages of the lock are in which image, and under which licence.

`make licences` runs it. Only the lock and the metadata of what is installed here are read.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "licences.md"
BEGIN, END = "<!-- packages: begin -->\n", "<!-- packages: end -->\n"

PLACES = {
    "controller": ["--extra", "kubernetes", "--extra", "content"],
    "worker, cpu": ["--extra", "cpu", "--extra", "identity", "--group", "mesh-models"],
    "worker, gpu": ["--extra", "gpu", "--extra", "identity", "--group", "mesh-models"],
    "recast run": ["--extra", "local"],
}
"""The images, and a machine with `recast run`, by their options in Dockerfile and README."""
PLATFORM = {
    "python_full_version": "3.11.2",
    "python_version": "3.11",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "os_name": "posix",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
}
"""Of the images: Debian 12."""

NVIDIA = "LicenseRef-NVIDIA"
ALLOWED = frozenset(
    {
        "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "ISC", "MIT", "MIT-CMU", "MPL-2.0",
        "PSF-2.0", "Zlib", NVIDIA,
    }
)  # fmt: skip
"""A licence that is not here is looked at by a person first: may the images be shipped with it, and on what terms?"""

SPDX = {
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "3-clause bsd license": "BSD-3-Clause",
    "boost software license": "BSL-1.0",
    "mit license": "MIT",
}
"""What metadata calls them, where it is not in SPDX' words."""
STATED = {
    "nvidia-cublas": NVIDIA,
    "nvidia-cuda-nvrtc": NVIDIA,
    "nvidia-cuda-runtime": NVIDIA,
    "nvidia-cudnn-cu13": NVIDIA,
    "nvidia-cufft": NVIDIA,
    "nvidia-curand": NVIDIA,
    "nvidia-nvjitlink": NVIDIA,
    "nvidia-ml-py": "BSD-3-Clause",
    "onnxruntime-gpu": "MIT",
    # "Dual License".
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
}
"""Where metadata says nothing, nothing clear, or is of packages for GPUs, which are not installed here."""


class Unclear(Exception):
    """A package whose licence is not known, or not allowed."""


@dataclass(frozen=True)
class Row:
    """One package.

    Attributes:
        name, version: as the lock has them.
        licence: an SPDX expression.
        places: which of `PLACES` hold it.
    """

    name: str
    version: str
    licence: str
    places: tuple[str, ...]

    def line(self) -> str:
        """As a line of the table."""
        return f"| {self.name} | {self.version} | {self.licence} | {'; '.join(self.places)} |"


def find_uv() -> str:
    """Give uv: the machine's, or that of `make install`."""
    return shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")


def locked(options: Sequence[str]) -> dict[str, str]:
    """Give the packages of an image, name to version, without recast itself.

    Args:
        options: which extras and groups, for uv.
    """
    command = [find_uv(), "export", "--quiet", "--frozen", "--no-default-groups", "--no-emit-project", "--no-hashes"]
    done = subprocess.run(  # noqa: S603  # uv, by a list of words
        [*command, "--no-header", "--no-annotate", *options], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = {}
    for line in done.stdout.splitlines():
        wanted = Requirement(line)
        if wanted.marker is None or wanted.marker.evaluate(dict(PLATFORM)):
            found[wanted.name] = str(wanted.specifier).removeprefix("==")
    return found


def licence_of(name: str, version: str) -> str:
    """Give a package's licence as an SPDX expression.

    Raises:
        Unclear: neither the metadata of this very version nor `STATED` tells.
    """
    if name in STATED:
        return STATED[name]
    try:
        found = metadata(name)
    except PackageNotFoundError:
        raise Unclear(f"{name} {version} is not installed here: `make install`, or look and state it") from None
    if found["Version"] != version:
        raise Unclear(
            f"{name} is installed as {found['Version']}, and locked as {version}: `make install`, with Python 3.11"
        )
    if expression := found.get("License-Expression"):
        return str(expression)
    kinds = [each for each in found.get_all("Classifier") or [] if each.startswith("License :: ")]
    for said in [found.get("License") or "", *(each.rsplit(" :: ", 1)[1] for each in kinds)]:
        licence = SPDX.get(said.lower(), said)
        if said and not strangers(licence):
            return licence
    raise Unclear(f"{name} {version}: metadata says {found.get('License')!r}, {kinds}: look, and state it")


def strangers(licence: str) -> list[str]:
    """Give the words of an SPDX expression that are no licence of `ALLOWED`."""
    return sorted(set(re.split(r"[()\s]+", licence)) - ALLOWED - {"AND", "OR", ""})


def rows() -> list[Row]:
    """Give all packages of all places, by name.

    Raises:
        Unclear: a licence is not known or not allowed.
    """
    held = {place: locked(options) for place, options in PLACES.items()}
    packages = sorted({pair for found in held.values() for pair in found.items()})
    made = []
    for name, version in packages:
        licence = licence_of(name, version)
        if strange := strangers(licence):
            raise Unclear(f"{name} {version}: {', '.join(strange)} is not among the licences that are allowed")
        places = tuple(place for place, found in held.items() if found.get(name) == version)
        made.append(Row(name, version, licence, places))
    return made


def with_table(text: str, table: Sequence[Row]) -> str:
    """Give the document with its table made anew."""
    head, rest = text.split(BEGIN)
    _old, tail = rest.split(END)
    lines = ["| package | version | licence | in |", "|---|---|---|---|", *(row.line() for row in table)]
    return f"{head}{BEGIN}{chr(10).join(lines)}\n{END}{tail}"


def main() -> int:
    """Write the table."""
    try:
        DOCUMENT.write_text(with_table(DOCUMENT.read_text(), rows()))
    except Unclear as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
