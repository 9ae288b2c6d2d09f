"""The controller's settings: flags, each with an environment variable for a Deployment."""

import argparse
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from controller.planning.objects import PodSettings
from controller.planning.poddefaults import parse_pod_defaults
from recast.errors import BadConfig
from recast.kube.api import WATCH_SECONDS
from recast.status import Images


@dataclass(frozen=True)
class Settings:
    """How the controller runs.

    Attributes:
        namespaces: whose FaceSwapJobs it works on; all of the cluster's where empty.
        identity: its name in the lease and in events.
        lease_namespace: where the lease is.
        leader_election: whether a lease is needed to work.
        health: host and port of /healthz, /readyz and /metrics.
        workers: looks at FaceSwapJobs at once.
        watch_seconds: after so long a watch is begun anew.
    """

    pods: PodSettings
    namespaces: tuple[str, ...]
    identity: str
    lease_namespace: str
    leader_election: bool
    health: tuple[str, int]
    workers: int
    watch_seconds: int
    kubeconfig: Path | None


def make_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(
        prog="python -m controller",
        description="Runs FaceSwapJobs: makes the Jobs of their stages, one after another, and keeps their status.",
        epilog="example: python -m controller --stage-image recast/controller:0.1 --worker-image recast/worker:0.1-cpu",
    )
    env = os.environ.get
    add = parser.add_argument
    add("--stage-image", default=env("RECAST_STAGE_IMAGE"), help="image of split and mux ($RECAST_STAGE_IMAGE)")
    add("--worker-image", default=env("RECAST_WORKER_IMAGE"), help="image of the workers ($RECAST_WORKER_IMAGE)")
    add("--image-pull-policy", default=env("RECAST_IMAGE_PULL_POLICY", "IfNotPresent"), help="of the jobs' pods")
    add(
        "--pod-defaults",
        default=env("RECAST_POD_DEFAULTS", "{}"),
        metavar="JSON",
        help="labels, annotations, imagePullSecrets and placement of all jobs' pods, as podDefaults in the chart's "
        "values ($RECAST_POD_DEFAULTS)",
    )
    add(
        "--namespaces",
        default=env("RECAST_NAMESPACES", ""),
        metavar="NAME,...",
        help="work on these namespaces' jobs only; default: the whole cluster",
    )
    add("--lease-namespace", default=env("POD_NAMESPACE", "recast-system"), help="where the lease is ($POD_NAMESPACE)")
    add("--no-leader-election", action="store_true", help="work without a lease: only where there is one controller")
    add("--identity", default=env("POD_NAME") or socket.gethostname(), help="name in the lease and in events")
    add(
        "--health",
        default=env("RECAST_HEALTH", ":8080"),
        metavar="[HOST]:PORT",
        help="default: %(default)s, at all addresses",
    )
    add("--workers", type=int, default=4, metavar="N", help="looks at jobs at once (default: %(default)s)")
    add(
        "--watch-seconds",
        type=int,
        default=WATCH_SECONDS,
        metavar="S",
        help="a watch is begun anew after so long, and a dead one noticed soon after (default: %(default)s)",
    )
    add("--kubeconfig", type=Path, help="default: $KUBECONFIG, else the pod's service account, else ~/.kube/config")
    return parser


def read_settings(arguments: Sequence[str] | None = None) -> Settings:
    """Read the command line and the environment.

    Raises:
        BadConfig: an image is missing, an address is none, or what is set for pods cannot be read.
    """
    options = make_parser().parse_args(arguments)
    if not options.stage_image or not options.worker_image:
        raise BadConfig("--stage-image and --worker-image are needed: the images that the jobs' pods run")
    host, _, port = options.health.rpartition(":")
    if not port.isdecimal():
        raise BadConfig(f"--health {options.health}: give HOST:PORT, [IPv6]:PORT or :PORT")
    return Settings(
        pods=PodSettings(
            images=Images(controller=options.stage_image, segment_worker=options.worker_image),
            image_pull_policy=options.image_pull_policy,
            defaults=parse_pod_defaults(options.pod_defaults),
        ),
        namespaces=tuple(filter(None, (name.strip() for name in options.namespaces.split(",")))),
        identity=options.identity,
        lease_namespace=options.lease_namespace,
        leader_election=not options.no_leader_election,
        health=(host.strip("[]"), int(port)),
        workers=options.workers,
        watch_seconds=options.watch_seconds,
        kubeconfig=options.kubeconfig,
    )
