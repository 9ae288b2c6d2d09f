"""`recast cancel`: stop FaceSwapJobs and remove them; what is done stays in scratch."""

import argparse
import sys
import time

from recast import exitcodes
from recast.commands.arguments import Commands, new_parser
from recast.commands.clusterarguments import add_cluster_arguments, check_names, connect, get_job, seconds_of
from recast.errors import NotFound, Transient
from recast.kube.cluster import Cluster, Job
from recast.kube.jobtext import worst
from recast.kube.names import LABEL_UID

LOOK_SECONDS = 1.0
EPILOG = """examples:
  recast cancel interview
  recast cancel interview trailer --wait
  recast cancel --selector recast.video/template=dailies
  recast cancel --all --namespace renders

Segments and parts stay in scratch (unless storage.retain is Never): the same job submitted again goes on where it
was. A published output stays.
"""


def add_parser(commands: Commands, text: str) -> None:
    """Add the command to the parser."""
    description = "Stop FaceSwapJobs and remove them from the cluster."
    parser = new_parser(commands, "cancel", text, description, EPILOG)
    parser.add_argument("names", metavar="NAME", nargs="*", help="a job")
    parser.add_argument("--all", action="store_true", help="all jobs of the namespace")
    parser.add_argument("-l", "--selector", metavar="LABEL=VALUE", help="the jobs with these labels")
    parser.add_argument("--wait", action="store_true", help="until the jobs and their pods are gone")
    parser.add_argument(
        "--timeout", type=seconds_of, default=600.0, metavar="TIME", help="of --wait: 90s, 30m (default: 10m)"
    )
    add_cluster_arguments(parser)
    parser.set_defaults(body=cancel)


def cancel(options: argparse.Namespace) -> int:
    """Carry the command out."""
    check_names(options)
    cluster = connect(options)
    jobs, missing = _chosen(cluster, options)
    if not jobs and not missing:
        print(f"no jobs to cancel in namespace {cluster.namespace}")
    for job in jobs:
        cluster.delete(job)
        print(f"{job.name}: {'removed' if job.finished else 'cancelled'}", flush=True)
    if options.wait:
        _wait(cluster, jobs, options.timeout)
    return worst([exitcodes.NOT_FOUND] * missing)


def _chosen(cluster: Cluster, options: argparse.Namespace) -> tuple[list[Job], int]:
    """The jobs, and how many of the names are none."""
    if not options.names:
        return cluster.jobs(cluster.namespace, options.selector), 0
    jobs: list[Job] = []
    for name in dict.fromkeys(options.names):
        try:
            jobs.append(get_job(cluster, name))
        except NotFound as error:
            print(f"recast: {error}", file=sys.stderr)
    return jobs, len(set(options.names)) - len(jobs)


def _wait(cluster: Cluster, jobs: list[Job], seconds: float) -> None:
    """Wait until the jobs and their pods are gone.

    Raises:
        Transient: the time is over.
    """
    end = time.monotonic() + seconds
    left = list(jobs)
    while left := [job for job in left if _is_there(cluster, job)]:
        if time.monotonic() >= end:
            names = ", ".join(job.name for job in left[:5]) + (" and more" if len(left) > 5 else "")
            pods = f"kubectl get pods --namespace {cluster.namespace} --selector {LABEL_UID}={left[0].uid}"
            raise Transient(f"{names}: not gone after {seconds:.0f} s: see `{pods}`")
        time.sleep(LOOK_SECONDS)


def _is_there(cluster: Cluster, job: Job) -> bool:
    now = cluster.find(job.name, job.namespace)
    return (now is not None and now.uid == job.uid) or bool(cluster.pods(job))
