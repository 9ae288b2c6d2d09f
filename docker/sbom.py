"""Writes a CycloneDX SBOM of the image that it runs in: `sbom.py NAME VERSION > NAME.cdx.json`.

It looks at what is there and not at what was asked for: the Python packages by their metadata, the shared libraries and
the FFmpeg inside them, Debian's packages by dpkg. The same image gives the same bytes: no times, no random numbers.
Nothing but Python's own library is used, for it runs where only recast's packages are.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterable, Mapping
from email.message import Message
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

Component = dict[str, Any]

SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json"
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://github.com/recast-video/recast")
OS_RELEASE = Path("/etc/os-release")
DPKG = "dpkg-query"
DPKG_FORMAT = "${Package}\\t${Version}\\t${Architecture}\\t${source:Package}\\t${source:Version}\\n"
LONGEST_LICENCE = 80
"""Longer ones are the whole text."""


def python_packages(found: Iterable[Distribution]) -> list[Component]:
    """Give the Python packages, by name; FFmpeg and shared libraries stand inside their package's component."""
    made = {}
    for each in found:
        name = re.sub(r"[-_.]+", "-", each.metadata["Name"]).lower()
        purl = f"pkg:pypi/{name}@{quote(each.version, safe='')}"
        component = {"type": "library", "bom-ref": purl, "name": name, "version": each.version, "purl": purl}
        if licences := _licences(each.metadata):
            component["licenses"] = licences
        if inside := _inside(each, purl):
            component["components"] = inside
        made[purl] = component
    return [made[purl] for purl in sorted(made)]


def _licences(metadata: Message) -> list[dict[str, Any]]:
    """A package's licence in its own words."""
    expression, text = metadata.get("License-Expression"), metadata.get("License")
    if expression:
        return [{"expression": str(expression)}]
    kinds = metadata.get_all("Classifier") or []
    if text and "\n" not in text and len(text) <= LONGEST_LICENCE:
        names = [str(text)]
    else:
        names = sorted({str(each).rsplit(" :: ", 1)[1] for each in kinds if each.startswith("License :: ")})
    return [{"license": {"name": name}} for name in names]


def _inside(package: Distribution, purl: str) -> list[Component]:
    """The programs and shared libraries that a wheel brings from elsewhere."""
    made = []
    for file in sorted(package.files or [], key=str):
        place = Path(str(file.locate()))
        if not place.is_file():
            continue
        if re.search(r"\.libs/[^/]+$", str(file)):
            made.append(_library(place, purl))
        elif re.search(r"imageio_ffmpeg/binaries/ffmpeg-", str(file)):
            made.append(_ffmpeg(place, purl))
    return made


def _library(place: Path, purl: str) -> Component:
    return {"type": "file", "bom-ref": f"{purl}#{place.name}", "name": place.name, "hashes": _hashes(place)}


def _ffmpeg(place: Path, purl: str) -> Component:
    said = _output([str(place), "-hide_banner", "-version"])
    version = said.split()[2]
    configured = next(line for line in said.splitlines() if line.startswith("configuration: "))
    gpl = "--enable-gpl" in configured.split()
    later = "3.0" if "--enable-version3" in configured.split() else "2.0" if gpl else "2.1"
    component: Component = {
        "type": "application",
        "bom-ref": f"{purl}#ffmpeg",
        "name": "ffmpeg",
        "version": version,
        "hashes": _hashes(place),
        "licenses": [{"license": {"id": f"{'GPL' if gpl else 'LGPL'}-{later}-or-later"}}],
        "properties": [{"name": "ffmpeg:configuration", "value": configured.removeprefix("configuration: ")}],
    }
    if release := re.match(r"n?(\d+(?:\.\d+)+)", version):
        component["cpe"] = f"cpe:2.3:a:ffmpeg:ffmpeg:{release[1]}:*:*:*:*:*:*:*"
    return component


def _hashes(place: Path) -> list[dict[str, str]]:
    with place.open("rb") as file:
        return [{"alg": "SHA-256", "content": hashlib.file_digest(file, "sha256").hexdigest()}]


def debian_packages(listed: str, system: Mapping[str, str]) -> list[Component]:
    """Give Debian's packages.

    Args:
        listed: lines of dpkg-query, in `DPKG_FORMAT`.
        system: what /etc/os-release says.
    """
    made = []
    vendor = system.get("ID", "debian")
    for line in sorted(listed.splitlines()):
        name, version, architecture, source, source_version = line.split("\t")
        about = f"arch={architecture}&distro={vendor}-{system.get('VERSION_ID', 'sid')}"
        purl = f"pkg:deb/{vendor}/{quote(name, safe='')}@{quote(version, safe='')}?{about}"
        origin = [{"name": "debian:source", "value": f"{source} {source_version}"}]
        made.append(
            {
                "type": "library",
                "bom-ref": purl,
                "name": name,
                "version": version,
                "purl": purl,
                "properties": origin,
            }
        )
    return made


def system_component(system: Mapping[str, str]) -> list[Component]:
    """Give the distribution; nothing where there is no os-release."""
    if not system:
        return []
    name, version = system.get("ID", "linux"), system.get("VERSION_ID", "")
    return [{"type": "operating-system", "bom-ref": f"{name}-{version}", "name": name, "version": version}]


def read_os_release(text: str) -> dict[str, str]:
    """Take /etc/os-release apart."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {key: value.strip().strip("\"'") for key, value in pairs}


def document(name: str, version: str, components: list[Component]) -> str:
    """Give the SBOM as JSON; its serial number comes from its content."""
    main = {"type": "container", "bom-ref": name, "name": name, "version": version}
    content: dict[str, Any] = {"metadata": {"component": main}, "components": components}
    serial = uuid.uuid5(NAMESPACE, json.dumps(content, sort_keys=True))
    head = {"$schema": SCHEMA, "bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:uuid:{serial}"}
    return json.dumps(head | {"version": 1} | content, indent=1) + "\n"


def _output(command: list[str]) -> str:
    environment = os.environ | {"LC_ALL": "C"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603  # a list of words
    return done.stdout


def main() -> None:
    """Look at the image, and write."""
    name, version = sys.argv[1:]
    system = read_os_release(OS_RELEASE.read_text())
    listed = _output([DPKG, "--show", f"--showformat={DPKG_FORMAT}"])
    components = [*system_component(system), *python_packages(distributions()), *debian_packages(listed, system)]
    sys.stdout.write(document(name, version, components))


if __name__ == "__main__":
    main()
