"""What the commands that talk to a cluster share: arguments, durations, names."""

import argparse
import re
from pathlib import Path

from recast.errors import NotFound, UsageError
from recast.kube.cluster import Cluster, Job

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def add_cluster_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that say which cluster, and where on it."""
    group = parser.add_argument_group("cluster")
    group.add_argument("-n", "--namespace", metavar="NAME", help="default: the one of the kubeconfig's context")
    group.add_argument("--context", metavar="NAME", help="default: the kubeconfig's current context")
    group.add_argument("--kubeconfig", type=Path, metavar="FILE", help="default: $KUBECONFIG or ~/.kube/config")


def connect(options: argparse.Namespace) -> Cluster:
    """The cluster that the command line names."""
    return Cluster.connect(options.kubeconfig, options.context, options.namespace)


def get_job(cluster: Cluster, name: str) -> Job:
    """A FaceSwapJob by its name.

    Raises:
        NotFound: there is none.
    """
    job = cluster.find(name)
    if job is None:
        raise NotFound(f"{name}: no such job in namespace {cluster.namespace}: see `recast list`, or give -n NAMESPACE")
    return job


def seconds_of(text: str) -> float:
    """Seconds of a duration, for argparse.

    >>> seconds_of("1h30m"), seconds_of("45")
    (5400.0, 45.0)
    """
    words = re.findall(r"(\d+(?:\.\d+)?)([smhd]?)", text)
    if not words or "".join(map("".join, words)) != text:
        raise argparse.ArgumentTypeError(f"{text}: give a time such as 90s, 30m or 1h30m")
    return sum(float(number) * UNITS[unit] for number, unit in words)


def check_names(options: argparse.Namespace) -> None:
    """Refuse names together with a choice of all, and neither.

    Raises:
        UsageError: it is not clear which jobs are meant.
    """
    chosen = options.all or options.selector is not None
    if bool(options.names) == chosen:
        raise UsageError("give names of jobs, or --all, or --selector LABEL=VALUE")
