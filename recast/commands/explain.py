"""`recast explain`: why a FaceSwapJob does not move, in words."""

import argparse
from datetime import UTC, datetime

from recast import exitcodes
from recast.commands.arguments import Commands, new_parser
from recast.commands.clusterarguments import add_cluster_arguments, connect, get_job
from recast.kube.cluster import Job, Object
from recast.kube.explain import explain, is_open

EPILOG = """examples:
  recast explain interview
  recast explain interview --namespace renders
"""


def add_parser(commands: Commands, text: str) -> None:
    """Add the command to the parser."""
    description = (
        "Say how a FaceSwapJob stands, what it waits for and what to do: from its conditions, Jobs, pods and events."
    )
    parser = new_parser(commands, "explain", text, description, EPILOG)
    parser.add_argument("name", metavar="NAME", help="the job")
    add_cluster_arguments(parser)
    parser.set_defaults(body=explain_job)


def explain_job(options: argparse.Namespace) -> int:
    """Carry the command out."""
    cluster = connect(options)
    job = get_job(cluster, options.name)
    jobs, pods = cluster.stage_jobs(job), cluster.pods(job)
    events = cluster.events(job.namespace, _uids(job, jobs, pods))
    for sentence in explain(job, jobs, pods, events, datetime.now(UTC)):
        print(sentence)
    return exitcodes.OK


def _uids(job: Job, jobs: list[Object], pods: list[Object]) -> list[str]:
    """The objects whose events may say something: Jobs, and pods that have not ended."""
    waiting = [pod for pod in pods if is_open(pod)]
    return [job.uid, *(each["metadata"]["uid"] for each in (*jobs, *waiting))]
