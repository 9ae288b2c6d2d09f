"""`recast list`: the FaceSwapJobs of a namespace, and how each stands."""

import argparse
import json
from datetime import UTC, datetime

from recast import exitcodes
from recast.commands.arguments import Commands, new_parser
from recast.commands.clusterarguments import add_cluster_arguments, connect
from recast.kube.cluster import Cluster, Job, read_job
from recast.kube.jobtext import left, note, table
from recast.wording import span

EPILOG = """examples:
  recast list
  recast list --all-namespaces
  recast list --selector recast.video/template=dailies
  recast list --json
"""


def add_parser(commands: Commands, text: str) -> None:
    """Add the command to the parser."""
    description = "List the FaceSwapJobs of a namespace, oldest first, and how each stands."
    parser = new_parser(commands, "list", text, description, EPILOG)
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="of all namespaces")
    parser.add_argument("-l", "--selector", metavar="LABEL=VALUE", help="only jobs with these labels")
    parser.add_argument("--json", action="store_true", help="print the objects as the API has them, one a line")
    add_cluster_arguments(parser)
    parser.set_defaults(body=list_jobs)


def list_jobs(options: argparse.Namespace) -> int:
    """Carry the command out."""
    cluster = connect(options)
    items = cluster.raw_jobs(None if options.all_namespaces else cluster.namespace, options.selector)
    if options.json:
        for item in items:
            print(json.dumps(item))
        return exitcodes.OK
    jobs = sorted(map(read_job, items), key=lambda job: (job.created, job.key))
    if not jobs:
        print(_nothing(cluster, options))
        return exitcodes.OK
    print("\n".join(table(rows(jobs, datetime.now(UTC), options.all_namespaces))))
    return exitcodes.OK


def rows(jobs: list[Job], now: datetime, namespaces: bool) -> list[list[str]]:
    """The table's cells."""
    found = [["NAMESPACE", "NAME", "PHASE", "SEGMENTS", "FPS", "LEFT", "AGE", "NOTE"]]
    for job in jobs:
        status = job.status
        swapping = status.phase == "Swapping"
        time = left(status, now)
        found.append(
            [
                job.namespace,
                job.name,
                "Cancelled" if job.deleted and not job.finished else status.phase,
                status.progress or "",
                str(status.frames.per_second) if swapping and status.frames.per_second else "",
                span(time) if time is not None else "",
                span(now - job.created),
                note(status),
            ]
        )
    return found if namespaces else [row[1:] for row in found]


def _nothing(cluster: Cluster, options: argparse.Namespace) -> str:
    where = "on the cluster" if options.all_namespaces else f"in namespace {cluster.namespace}"
    return f"no jobs {where}" + (f" with {options.selector}" if options.selector else "")
