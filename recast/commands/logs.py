"""`recast logs`: what the pods of a FaceSwapJob printed."""

import argparse
import sys
import threading
import time
from collections.abc import Callable

from recast import exitcodes
from recast.commands.arguments import Commands, new_parser
from recast.commands.clusterarguments import add_cluster_arguments, connect, get_job
from recast.errors import NotFound, RecastError, UsageError
from recast.kube import names as kube
from recast.kube.cluster import Cluster, Job
from recast.kube.podlogs import StagePod, choose, is_about, readable

LOOK_SECONDS = 2.0
MOST_FOLLOWED = 50
EPILOG = """examples:
  recast logs interview
  recast logs interview --segment 12
  recast logs interview --stage split --json
  recast logs interview --follow --tail 5
"""
Print = Callable[[str], None]


def add_parser(commands: Commands, text: str) -> None:
    """Add the command to the parser."""
    description = "Print what the pods of a FaceSwapJob said, one pod after another, as far as they are still there."
    parser = new_parser(commands, "logs", text, description, EPILOG)
    parser.add_argument("name", metavar="NAME", help="the job")
    parser.add_argument("--segment", type=int, metavar="N", help="only of the workers of this segment")
    parser.add_argument("--stage", choices=kube.STAGES, help="only of this stage")
    parser.add_argument("--tail", type=int, metavar="N", help="only the last lines of each pod")
    parser.add_argument(
        "--follow", "-f", action="store_true", help="go on until the job is done, with all pods at once"
    )
    parser.add_argument("--json", action="store_true", help="print the lines as they are")
    add_cluster_arguments(parser)
    parser.set_defaults(body=logs)


def logs(options: argparse.Namespace) -> int:
    """Carry the command out."""
    if options.segment is not None and options.stage not in (None, kube.SWAP):
        raise UsageError(f"--segment goes with --stage {kube.SWAP} only: the other stages work on all segments")
    cluster = connect(options)
    job = get_job(cluster, options.name)
    if options.follow:
        _Following(cluster, job, options).run()
        return exitcodes.OK
    pods = _pods(cluster, job, options)
    if not pods:
        gone = " (those of a job that succeeded go after an hour)" if job.status.phase == "Succeeded" else ""
        raise NotFound(f"{job.name}: no pods of {_meant(options)} are there{gone}: see `recast explain {job.name}`")
    for pod in pods:
        print(f"--- {pod.title} (pod {pod.name})", file=sys.stderr, flush=True)
        if pod.started:
            _print_log(cluster, pod, options, lambda line: print(line, flush=True))
        else:
            print(f"recast: it has not begun: see `recast explain {job.name}`", file=sys.stderr)
    return exitcodes.OK


def _pods(cluster: Cluster, job: Job, options: argparse.Namespace) -> list[StagePod]:
    stage = kube.SWAP if options.segment is not None else options.stage
    return choose(cluster.pods(job, stage), stage, options.segment)


def _meant(options: argparse.Namespace) -> str:
    return f"segment {options.segment}" if options.segment is not None else options.stage or "any stage"


def _print_log(cluster: Cluster, pod: StagePod, options: argparse.Namespace, put: Print) -> None:
    for line in cluster.log_lines(pod.item, follow=options.follow, tail=options.tail):
        if options.segment is None or is_about(line, options.segment):
            put(line if options.json else readable(line))


class _Following:
    """All pods at once, each in its own thread; new ones as they come."""

    def __init__(self, cluster: Cluster, job: Job, options: argparse.Namespace) -> None:
        self._cluster, self._job, self._options = cluster, job, options
        self._threads: dict[str, threading.Thread] = {}
        self._lock = threading.Lock()
        self._too_many = False

    def run(self) -> None:
        """Print until the job is finished or gone, and its logs are at their ends."""
        while True:
            # Asked before the pods are: the last ones are not missed.
            job = self._cluster.find(self._job.name, self._job.namespace)
            over = job is None or job.uid != self._job.uid or job.finished
            for pod in _pods(self._cluster, self._job, self._options):
                if pod.started and pod.name not in self._threads:
                    self._start(pod)
            if over:
                break
            time.sleep(LOOK_SECONDS)
        for thread in self._threads.values():
            thread.join()

    def _start(self, pod: StagePod) -> None:
        if sum(thread.is_alive() for thread in self._threads.values()) >= MOST_FOLLOWED:
            if not self._too_many:
                text = f"more than {MOST_FOLLOWED} pods at once: the others wait; choose --segment or --stage"
                print(f"recast: {text}", file=sys.stderr)
            self._too_many = True
            return
        thread = threading.Thread(target=self._print_all, args=(pod,), daemon=True)
        self._threads[pod.name] = thread
        thread.start()

    def _print_all(self, pod: StagePod) -> None:
        def put(line: str) -> None:
            with self._lock:
                print(line if self._options.json else f"{pod.title:10} {line}", flush=True)

        try:
            _print_log(self._cluster, pod, self._options, put)
        except RecastError as error:
            with self._lock:
                print(f"recast: pod {pod.name}: {error}", file=sys.stderr, flush=True)
