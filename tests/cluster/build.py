"""Builds the programs of the test cluster from Go modules: once, into the user's cache folder.

What is built is known by its content: another go.mod, go.sum, main.go or Go makes another file.
`python -m tests.cluster.build` builds all and prints where they are.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from recast.process.children import spawn

MODULES = Path(__file__).parent / "go"
BUILD_SECONDS = 1500.0
"""For one program; on two cores the larger one takes five to ten minutes from nothing."""
PROGRESS_SECONDS = 30.0
KUBERNETES = "1.36.3"

Say = Callable[[str], None]


class Unavailable(Exception):
    """The programs cannot be had here; the text says why, and what to do."""


@dataclass(frozen=True)
class Program:
    """One executable.

    Attributes:
        name: of its folder in `go` and of its file.
        package: what Go is to build in that folder.
        title: for people.
        variables: of its packages, set when it is linked.
    """

    name: str
    package: str
    title: str
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def module(self) -> Path:
        """Where its go.mod is."""
        return MODULES / self.name

    def command(self, go: Path, target: Path) -> list[str]:
        """The command line of its build."""
        linked = " ".join(["-s -w", *(f"-X {name}={value}" for name, value in self.variables.items())])
        return [
            str(go), "build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags", linked,
            "-o", str(target), self.package,
        ]  # fmt: skip

    def cached(self, go_version: str) -> Path:
        """Where its executable is, or will be."""
        content = hashlib.sha256("\0".join([go_version, *self.command(Path("go"), Path())]).encode())
        for path in sorted(path for path in self.module.iterdir() if path.suffix in {".mod", ".sum", ".go"}):
            content.update(path.read_bytes())
        return cache_folder() / content.hexdigest()[:16] / self.name


# Clients and servers say which version they are; built from modules they would not know.
KUBE = Program(
    "kube",
    ".",
    f"Kubernetes {KUBERNETES} and etcd",
    {
        "k8s.io/component-base/version.gitVersion": f"v{KUBERNETES}",
        "k8s.io/component-base/version.gitMajor": KUBERNETES.split(".")[0],
        "k8s.io/component-base/version.gitMinor": KUBERNETES.split(".")[1],
        "k8s.io/client-go/pkg/version.gitVersion": f"v{KUBERNETES}",
    },
)
KWOK = Program("kwok", "sigs.k8s.io/kwok/cmd/kwok", "KWOK")
HELM = Program("helm", "helm.sh/helm/v4/cmd/helm", "Helm")
ALL = (KUBE, KWOK, HELM)
ROUTER = Program("kube-router", "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router", "kube-router")
"""For a node alone, and so built when there is to be one."""


@dataclass(frozen=True)
class Programs:
    """Where the executables are.

    Attributes:
        kube: is each part of Kubernetes, and etcd, by its first argument.
        kwok: nodes and pods without machines.
        helm: renders, checks and installs the chart.
    """

    kube: Path
    kwok: Path
    helm: Path


def cache_folder() -> Path:
    """Where executables are kept, each in a folder named by what it was made of."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "recast" / "kube"


def find_go() -> Path:
    """Give the Go toolchain: the one on the PATH, else this environment's own.

    Raises:
        Unavailable: there is none.
    """
    own = sysconfig.get_path("scripts")
    # `uv run` puts the environment's folder first.
    others = os.pathsep.join(each for each in os.environ.get("PATH", os.defpath).split(os.pathsep) if each != own)
    found = shutil.which("go", path=others) or shutil.which("go", path=own)
    if found is None:
        raise Unavailable("no Go here to build Kubernetes with: install Go 1.26 or later, or this project's dev group")
    return Path(found)


def is_built() -> bool:
    """Say whether the programs can be had at once, or not at all: nothing will take minutes."""
    try:
        version = _go_version(find_go())
    except Unavailable:
        return True
    return all(program.cached(version).exists() for program in ALL)


def build(say: Say) -> Programs:
    """Give the programs, built now where they have not been before.

    Args:
        say: gets lines of progress while something is built.

    Raises:
        Unavailable: there is no Go, or it cannot build them.
    """
    return Programs(*(build_one(program, say) for program in ALL))


def build_one(program: Program, say: Say) -> Path:
    """Give the executable of one program, built now where it has not been before.

    Args:
        program: which.
        say: gets lines of progress while it is built.

    Raises:
        Unavailable: there is no Go, or it cannot build it.
    """
    go = find_go()
    version = _go_version(go)
    target = program.cached(version)
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    # Another process may be building the same.
    with (target.parent / "lock").open("w") as lock:
        _take(lock.fileno(), program, say)
        if not target.exists():
            _run(program, go, target, say)
    return target


def _go_version(go: Path) -> str:
    # In the module's folder: its go.mod may choose another toolchain than the one that is installed.
    done = subprocess.run(
        [go, "env", "GOVERSION", "GOOS", "GOARCH"], cwd=KUBE.module, capture_output=True, text=True, timeout=300
    )
    if done.returncode:
        raise Unavailable(f"{go}: does not work: {done.stderr.strip()}")
    return done.stdout


def _take(lock: int, program: Program, say: Say) -> None:
    start = time.monotonic()
    told = start
    while time.monotonic() - start < BUILD_SECONDS:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.2)
        if time.monotonic() - told > PROGRESS_SECONDS:
            told = time.monotonic()
            say(f"waiting for another process that builds {program.title}: {told - start:.0f} s")
    raise Unavailable(f"{program.title}: another process has been building it for {BUILD_SECONDS:.0f} s; look at it")


def _run(program: Program, go: Path, target: Path, say: Say) -> None:
    """Build, with a line now and then."""
    say(f"building {program.title} from Go modules, once; this takes some minutes ({target})")
    unfinished = target.with_suffix(".part")
    log = target.with_suffix(".log")
    start = time.monotonic()
    with log.open("wb") as output:
        environment = os.environ | {"CGO_ENABLED": "0"}
        process = spawn(
            program.command(go, unfinished), env=environment, cwd=program.module, stdout=output, stderr=output
        )
        try:
            while process.poll() is None and time.monotonic() - start < BUILD_SECONDS:
                try:
                    process.wait(PROGRESS_SECONDS)
                except subprocess.TimeoutExpired:
                    say(f"building {program.title}: {time.monotonic() - start:.0f} s")
        finally:
            process.kill()
            process.wait()
    if process.returncode:
        last = " / ".join(log.read_text(errors="replace").strip().splitlines()[-3:])
        raise Unavailable(f"{program.title} could not be built (status {process.returncode}; see {log}): {last}")
    unfinished.replace(target)
    say(f"built {program.title} in {time.monotonic() - start:.0f} s")


def main() -> int:
    """Build all."""
    try:
        programs = build(lambda line: print(line, file=sys.stderr, flush=True))
    except Unavailable as error:
        print(error, file=sys.stderr)
        return 1
    print(programs.kube, programs.kwok, programs.helm, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
