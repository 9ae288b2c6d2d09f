"""`recast submit`: FaceSwapJobs from YAML to a cluster, and there to their end."""

import argparse
import sys
from collections.abc import Sequence

from recast import exitcodes
from recast.commands.arguments import Commands, file_of, new_parser
from recast.commands.clusterarguments import add_cluster_arguments, connect, seconds_of
from recast.commands.screen import open_screen, summary_rows
from recast.errors import NotFound, RecastError, StorageUnavailable, UsageError
from recast.kube.cluster import Cluster, Job
from recast.kube.documents import JobDocument, Parsed, find_doubles, parse_jobs
from recast.kube.each import VIDEO_SUFFIXES, Expanded, expand, folder
from recast.kube.errors import ApiError, Conflict, Forbidden, Invalid
from recast.kube.follow import Following
from recast.kube.jobtext import success, table, warning, worst
from recast.kube.yamllines import MOST_TEXT
from recast.process.stopping import Terminated, terminated_by_signals

STOP_SECONDS = 5.0

EPILOG = f"""examples:
  recast submit interview.yaml
  recast submit interview.yaml trailer.yaml --wait --timeout 2h
  recast submit template.yaml --each s3://studio/in/ --output s3://studio/out/ --wait
  recast submit - --namespace renders

With --each, FILE holds one job as a template: each video under the prefix becomes a job with a name of its own,
which is the same each time, and its output's path is the source's under --output. Videos are the objects that end in
{" ".join(VIDEO_SUFFIXES)}.
The output's suffix is the template's; without one, the source's where recast writes it, else .mkv. Jobs that are on
the cluster are left alone; so are those whose output is there, unless output.overwrite is set. The listing signs in
as every AWS client does (AWS_ACCESS_KEY_ID and so on).

exit codes: with --wait those of the jobs, the worst of them (`recast --help` lists them); 75 too where --timeout is
over or a job was deleted meanwhile. The jobs go on, whatever becomes of this command; typed again, it follows them.
"""


def add_parser(commands: Commands, text: str) -> None:
    """Add the command to the parser."""
    description = "Check FaceSwapJobs, put them on the cluster, and wait for them where that is asked for."
    parser = new_parser(commands, "submit", text, description, EPILOG)
    parser.add_argument("files", metavar="FILE", nargs="+", help="YAML, one or many documents; - for standard input")
    parser.add_argument("--wait", action="store_true", help="follow the jobs to their end, and exit with their code")
    parser.add_argument("--timeout", type=seconds_of, metavar="TIME", help="of --wait: 90s, 30m, 1h30m")
    parser.add_argument("--dry-run", action="store_true", help="only check, here and on the cluster; change nothing")
    parser.add_argument("--each", metavar="S3_PREFIX", help="make a job of each video under this prefix")
    parser.add_argument("--output", metavar="S3_PREFIX", help="of --each: where the outputs go")
    parser.add_argument(
        "--endpoint-url", metavar="URL", help="of --each: the S3 endpoint as seen from here (default: the template's)"
    )
    add_cluster_arguments(parser)
    parser.set_defaults(body=submit)


def submit(options: argparse.Namespace) -> int:
    """Carry the command out."""
    _check_options(options)
    parsed = _read(options.files, template=options.each is not None)
    if parsed.problems:
        return _refuse(parsed.problems)
    cluster = connect(options)
    submission = _Submission(cluster, options)
    if options.each is None:
        submission.apply_all(parsed.jobs)
    else:
        problems = submission.apply_each(parsed.jobs)
        if problems:
            return _refuse(problems)
    if not options.wait or options.dry_run:
        return worst(submission.codes)
    return worst([*submission.codes, wait(cluster, submission.jobs, options.timeout)])


def _check_options(options: argparse.Namespace) -> None:
    if (options.each is None) != (options.output is None):
        raise UsageError("--each and --output go together: where the sources are, and where the outputs go")
    for prefix in filter(None, (options.each, options.output)):
        if not prefix.startswith("s3://") or not prefix.removeprefix("s3://").strip("/"):
            raise UsageError(f"{prefix}: give s3://bucket/prefix/")
    if options.timeout is not None and not options.wait:
        raise UsageError("--timeout goes with --wait")


def _read(files: Sequence[str], *, template: bool) -> Parsed:
    parsed = Parsed()
    for name in files:
        one = parse_jobs(_text(name), "<stdin>" if name == "-" else name, template=template)
        parsed.jobs += one.jobs
        parsed.problems += one.problems
    parsed.problems += find_doubles(parsed.jobs)
    if template and not parsed.problems and len(parsed.jobs) != 1:
        parsed.problems.append(f"{parsed.jobs[1].place}: with --each there is one template only: remove this document")
    return parsed


def _text(name: str) -> str:
    try:
        with sys.stdin.buffer if name == "-" else file_of(name).open("rb") as file:
            data = file.read(MOST_TEXT + 1)
        if len(data) > MOST_TEXT:
            raise UsageError(f"{name}: more than {MOST_TEXT >> 20} MiB: give fewer jobs at once")
        return data.decode()
    except IsADirectoryError as error:
        raise UsageError(f"{name}: is a folder: give the files in it") from error
    except FileNotFoundError as error:
        raise NotFound(f"{name}: no such file: give YAML, or - for standard input") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: not UTF-8 text: {error.reason} at byte {error.start}") from error


def _refuse(problems: Sequence[str]) -> int:
    for problem in problems:
        print(f"recast: {problem}", file=sys.stderr)
    return exitcodes.USAGE


class _Submission:
    """Puts jobs on the cluster.

    Attributes:
        jobs: as the cluster has them now.
        codes: of those that it refused.
    """

    def __init__(self, cluster: Cluster, options: argparse.Namespace) -> None:
        self._cluster, self._options = cluster, options
        self.jobs: list[Job] = []
        self.codes: list[int] = []

    def apply_all(self, documents: Sequence[JobDocument]) -> None:
        """Apply each; one that is refused does not hold the others up."""
        for document in documents:
            self._apply(document)

    def apply_each(self, templates: Sequence[JobDocument]) -> list[str]:
        """Apply the jobs of a template that are not there yet; gives the problems, if any, and then applies none."""
        (template,) = templates
        namespace = self._namespace(template)
        expanded = self._expand(template)
        if expanded.problems:
            return expanded.problems
        # One that is on its way out is told of when it is applied.
        present = {job.name: job for job in self._cluster.jobs(namespace) if not job.deleted}
        new = [document for document in expanded.jobs if document.name not in present]
        old = [(document, present[document.name]) for document in expanded.jobs if document.name in present]
        missing = new if template.spec.output.overwrite else self._without_output(template, new)
        self.apply_all(missing)
        self.jobs += [job for _, job in old]
        self._tell(expanded, len(missing), old, len(new) - len(missing))
        return []

    def _expand(self, template: JobDocument) -> Expanded:
        sources, outputs = folder(self._options.each), folder(self._options.output)
        expanded = expand(template, self._listed(template, sources), sources, outputs)
        if not expanded.jobs and not expanded.problems:
            raise NotFound(f"{sources}: no videos there, of {expanded.others} objects: see `recast submit --help`")
        return expanded

    def _without_output(self, template: JobDocument, documents: Sequence[JobDocument]) -> list[JobDocument]:
        done = set(self._listed(template, folder(self._options.output))) if documents else set()
        return [document for document in documents if document.spec.output.uri not in done]

    def _listed(self, template: JobDocument, prefix: str) -> list[str]:
        # boto3 takes most of a second.
        from recast.storage.storage import Storage, StorageSettings

        place = template.spec.storage
        endpoint = self._options.endpoint_url or place.endpoint
        settings = StorageSettings(endpoint=endpoint, region=place.region, force_path_style=place.force_path_style)
        try:
            return [info.uri for info in Storage(settings).list(prefix)]
        except StorageUnavailable as error:
            hint = "give --endpoint-url where the store is reached from here by another address than the template's"
            raise StorageUnavailable(f"{error}; {hint}") from error

    def _apply(self, document: JobDocument) -> None:
        namespace = self._namespace(document)
        try:
            before = self._cluster.find(document.name, namespace)
            if before is not None and before.deleted:
                raise Conflict("it is still being deleted: submit it again once it is gone")
            job = self._cluster.apply(document.manifest, namespace, dry_run=self._options.dry_run)
        except (Conflict, Forbidden, Invalid) as error:
            print(f"recast: {document.place}: {document.name}: {_refusal(error)}", file=sys.stderr)
            self.codes.append(error.exit_code)
            return
        self.jobs.append(job)
        print(f"{job.name}: {_what_happened(before, job)}{' (dry run)' if self._options.dry_run else ''}", flush=True)

    def _namespace(self, document: JobDocument) -> str:
        wanted = self._options.namespace
        if wanted and document.namespace and wanted != document.namespace:
            raise UsageError(
                f"{document.place}: metadata.namespace: {document.namespace}: not the {wanted} of --namespace: "
                "leave one of them out"
            )
        return document.namespace or self._cluster.namespace

    def _tell(self, expanded: Expanded, new: int, old: Sequence[tuple[JobDocument, Job]], done: int) -> None:
        there = f"{len(old)} {'is' if len(old) == 1 else 'are'} there already"
        words = [f"{new} submitted", there, f"{done} {'has its' if done == 1 else 'have their'} output already"]
        others = "1 object is no video" if expanded.others == 1 else f"{expanded.others} objects are no videos"
        print(f"recast: {', '.join(words)}; {others}", file=sys.stderr)
        failed = [job.name for _, job in old if job.status.phase == "Failed"]
        if failed:
            names = " ".join(failed[:5]) + (" ..." if len(failed) > 5 else "")
            text = f"{len(failed)} failed before: `recast cancel {names}`, and submit again to try them once more"
            print(f"recast: {text}", file=sys.stderr)
        for document, job in old:
            if job.output != document.spec.output.uri:
                text = f"writes to {job.output}, not to {document.spec.output.uri}: give the template another name"
                print(f"recast: {job.name}: {text}", file=sys.stderr)


def _refusal(error: ApiError) -> str:
    """What the API server has against a job, field by field."""
    # A policy's names no field.
    causes = [
        ": ".join(filter(None, (cause.get("field"), cause.get("message")))) for cause in error.details.get("causes", ())
    ]
    return "; ".join(causes) or str(error)


def _what_happened(before: Job | None, after: Job) -> str:
    if before is None or before.uid != after.uid:
        return "submitted"
    what = "unchanged" if before.generation == after.generation else "changed"
    if after.finished:
        again = f"; `recast cancel {after.name}` and submit it again to try once more"
        return f"{what}, {after.status.phase} before{again if after.status.phase == 'Failed' else ''}"
    return what


def wait(cluster: Cluster, jobs: Sequence[Job], timeout: float | None) -> int:
    """Follow jobs to their end; gives the worst of their codes."""
    if not jobs:
        return exitcodes.OK
    try:
        with terminated_by_signals(STOP_SECONDS), open_screen(len(jobs)) as screen:
            following = Following(jobs, screen)
            done = following.run(cluster, timeout)
    except Terminated as stop:
        _still_going_on([job.name for job in jobs], "interrupted" if stop.code == exitcodes.INTERRUPTED else "stopped")
        return stop.code
    except RecastError:
        _still_going_on([job.name for job in jobs], "no longer following")
        raise
    if len(jobs) > 1:
        print("\n".join(table(summary_rows(list(following.jobs.values())))))
    else:
        for each in following.jobs.values():
            if each.code == exitcodes.OK:
                print(f"{each.job.name}: {success(each.job)}")
    for each in following.jobs.values():
        if each.code == exitcodes.OK and (text := warning(each.job)):
            print(f"recast: warning: {each.job.name}: {text}", file=sys.stderr)
    if not done:
        _still_going_on([each.job.name for each in following.left], f"not done after {timeout:.0f} s")
    return following.code


def _still_going_on(names: Sequence[str], why: str) -> None:
    some = " ".join(names[:5]) + (" ..." if len(names) > 5 else "")
    print(
        f"recast: {why}: the jobs go on; the same command follows them again, `recast cancel {some}` stops them",
        file=sys.stderr,
    )
