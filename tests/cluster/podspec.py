"""What a pod's first container is to run here: command, environment, and folders in place of its mounts."""

import base64
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.api import Json

Find = Callable[[str], Json | None]
"""Gives the object at a path of the API, or None."""

_REFERENCE = re.compile(r"\$\$|\$\(([-._a-zA-Z][-._a-zA-Z0-9]*)\)")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class CannotCreate(Exception):
    """The container cannot be made now; kubelet tries again and says CreateContainerConfigError meanwhile."""


class VolumeMissing(Exception):
    """A volume cannot be mounted now; kubelet tries again and says ContainerCreating meanwhile."""


@dataclass
class Process:
    """A container as a process.

    Attributes:
        command: program and arguments.
        environment: the whole of it.
        folder: where it starts.
        message: file of the termination message.
    """

    command: list[str]
    environment: dict[str, str]
    folder: Path
    message: Path


@dataclass
class Mounts:
    """Where paths of the container are on this machine.

    Attributes:
        places: path in the container, to path here.
    """

    places: dict[str, Path] = field(default_factory=dict)

    def here(self, text: str) -> str:
        """Rewrite a text that is a path under one of the mounts; give others back."""
        for mount in sorted(self.places, key=len, reverse=True):
            if text == mount or text.startswith(mount.rstrip("/") + "/"):
                return str(self.places[mount]) + text[len(mount.rstrip("/")) :]
        return text


def make_process(pod: Json, folder: Path, find: Find) -> Process:
    """Make folders, files and the command line.

    Args:
        pod: as in the API.
        folder: of the pod's own; filled here.
        find: reads Secrets and ConfigMaps.

    Raises:
        CannotCreate, VolumeMissing: something is not there yet, or not known here.
    """
    container = pod["spec"]["containers"][0]
    message = folder / "termination-message"
    message.touch()
    mounts = Mounts({container.get("terminationMessagePath", "/dev/termination-log"): message})
    volumes = {each["name"]: each for each in pod["spec"].get("volumes", [])}
    for mount in container.get("volumeMounts", []):
        place = folder / "volumes" / mount["name"]
        _fill(volumes[mount["name"]], place, pod["metadata"]["namespace"], find)
        mounts.places[mount["mountPath"]] = place / mount.get("subPath", "")
    given = environment(pod, container, find)
    words = [expanded(word, given) for word in [*container.get("command", []), *container.get("args", [])]]
    if not words:
        raise CannotCreate("no command specified")
    root = folder / "root"
    root.mkdir(exist_ok=True)
    base = {"PATH": os.environ.get("PATH", os.defpath), "TMPDIR": mounts.here("/tmp")}
    if base["TMPDIR"] == "/tmp":
        del base["TMPDIR"]
    if "IMAGEIO_FFMPEG_EXE" in os.environ:
        # A program, as PATH's are, and no setting of the pod's.
        base["IMAGEIO_FFMPEG_EXE"] = os.environ["IMAGEIO_FFMPEG_EXE"]
    return Process(
        [*_program(mounts.here(words[0])), *(mounts.here(word) for word in words[1:])],
        base | {name: mounts.here(value) for name, value in given.items()},
        root,
        message,
    )


def environment(pod: Json, container: Json, find: Find) -> dict[str, str]:
    """Give the container's variables.

    Raises:
        CannotCreate: a Secret or ConfigMap is missing, or a source is not known here.
    """
    if container.get("envFrom"):
        raise CannotCreate("envFrom is not known to this runner: name each key")
    found: dict[str, str] = {}
    for each in container.get("env", []):
        value = _from(pod, each["valueFrom"], find) if "valueFrom" in each else expanded(each.get("value", ""), found)
        if value is not None:
            found[each["name"]] = value
    return found


def expanded(text: str, known: Mapping[str, str]) -> str:
    """Replace $(NAME) by a variable's value, as Kubernetes does: unknown ones stay, $$ is one $."""
    return _REFERENCE.sub(lambda match: "$" if match[0] == "$$" else known.get(match[1], match[0]), text)


def _from(pod: Json, source: Json, find: Find) -> str | None:
    namespace = pod["metadata"]["namespace"]
    if "fieldRef" in source:
        return _field(pod, source["fieldRef"]["fieldPath"])
    if "secretKeyRef" in source:
        return _key(find, namespace, "Secret", source["secretKeyRef"])
    if "configMapKeyRef" in source:
        return _key(find, namespace, "ConfigMap", source["configMapKeyRef"])
    raise CannotCreate(f"{next(iter(source), 'an empty source')} is not known to this runner")


def _key(find: Find, namespace: str, kind: str, reference: Json) -> str | None:
    name, key, optional = reference["name"], reference["key"], reference.get("optional", False)
    content = _content(find, namespace, kind, name)
    if content is None:
        if optional:
            return None
        raise CannotCreate(f'{kind.lower()} "{name}" not found')
    if key not in content:
        if optional:
            return None
        raise CannotCreate(f"couldn't find key {key} in {kind} {namespace}/{name}")
    return content[key].decode()


def _content(find: Find, namespace: str, kind: str, name: str) -> dict[str, bytes] | None:
    found = find(f"/api/v1/namespaces/{namespace}/{kind.lower()}s/{name}")
    if found is None:
        return None
    text = found.get("data") or {}
    if kind == "Secret":
        return {key: base64.b64decode(value) for key, value in text.items()}
    binary = {key: base64.b64decode(value) for key, value in (found.get("binaryData") or {}).items()}
    return {key: value.encode() for key, value in text.items()} | binary


def _field(pod: Json, path: str) -> str:
    if subscript := _SUBSCRIPT.fullmatch(path):
        return str(pod["metadata"].get(subscript[1], {}).get(subscript[2], ""))
    value: object = pod
    for name in path.split("."):
        value = value.get(name, "") if isinstance(value, dict) else ""
    return str(value)


def _fill(volume: Json, place: Path, namespace: str, find: Find) -> None:
    """Make a volume's folder, and its files."""
    place.mkdir(parents=True, exist_ok=True)
    if "emptyDir" in volume:
        return
    for kind, name_key in (("configMap", "name"), ("secret", "secretName")):
        if kind in volume:
            source = volume[kind]
            content = _content(find, namespace, kind[0].upper() + kind[1:], source[name_key])
            if content is None:
                if source.get("optional"):
                    return
                raise VolumeMissing(f'{kind.lower()} "{source[name_key]}" not found')
            items = source.get("items") or [{"key": key, "path": key} for key in content]
            for item in items:
                if item["key"] not in content:
                    raise VolumeMissing(f"{kind.lower()} references non-existent config key: {item['key']}")
                (place / item["path"]).write_bytes(content[item["key"]])
            return
    if volume["name"].startswith("kube-api-access-"):
        # No process here talks to the API by a pod's token.
        return
    raise VolumeMissing(f"volume {volume['name']} is of a kind that this runner does not know")


def _program(word: str) -> list[str]:
    """Replace the image's programs by this environment's."""
    if word in {"python", "python3"}:
        return [sys.executable]
    if word == "recast":
        return [sys.executable, "-m", "recast.cli"]
    return [word]
