"""`recast run`: the whole job on this machine."""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from recast import exitcodes, names
from recast.commands.arguments import (
    Commands,
    add_content_arguments,
    add_face_arguments,
    add_limit_argument,
    consent_of,
    content_check_of,
    engine_of,
    faces_of,
    file_of,
    limits_of,
    new_parser,
    to_uri,
)
from recast.commands.early import check_output, check_photos, check_report, check_source
from recast.commands.progress import show_progress
from recast.commands.refusals import RETRIES, SEGMENT_SECONDS, WORKERS, refused_as_typed
from recast.commands.videoarguments import add_video_arguments, audio_of, check_preset, kinds_of, video_of
from recast.errors import RecastError, UsageError
from recast.local.kept import (
    embedded_job,
    is_in_use,
    is_kept_after,
    job_name,
    make_runs_folder,
    remove_run,
    run_folder,
)
from recast.local.run import STOP_SECONDS, LocalRun, RunReport
from recast.process.cores import usable_cores
from recast.process.stopping import Terminated, terminated_by_signals
from recast.process.temporary import PREFIX
from recast.spec import JobSpec, OnBadFrames, Output, Segments, Source, Storage
from recast.wording import as_typed, counted, size

ON_BAD_FRAMES: dict[str, OnBadFrames] = {"fail": "Fail", "repeat": "Repeat", "original": "Original"}
NAMED = 5
"""Stretches of bad frames that are said one by one."""
OUTDATED = (
    "a photo, the models or recast itself is not what this command began with: what it had done is removed: type it "
    "again to begin anew"
)
EPILOG = """examples:
  recast run interview.mp4 out.mp4 --face ada.png --consent "release 2026-0117"
  recast run interview.mov out.mov --engine passthrough --quality lossless
  recast run duo.mp4 out.mp4 --swap ada.png=leftmost --swap eve1.png,eve2.png=bob.png --consent "release 9"
  recast run interview.mp4 out.mp4 --face ada.png --consent "release 3" --engine inswapper --models models/
  recast run s3://studio/in/a.mp4 s3://studio/out/a.mp4 --face ada.png --consent "release 12" \\
      --scratch s3://scratch/recast --endpoint-url http://127.0.0.1:8333

The same command typed again after an interruption goes on where it stopped: what is done is kept in ~/.cache/recast, or
in recast under $XDG_CACHE_HOME. Temporary files are under $TMPDIR.
"""
# Replaced by the embedded store's own, before any stage sees it.
EMBEDDED_SCRATCH = "s3://recast/runs"


def add_parser(commands: Commands, text: str) -> None:
    """Add the command to the parser."""
    description = "Swap faces in a video, on this machine, by the stages that the pods run."
    parser = new_parser(commands, "run", text, description, EPILOG)
    parser.add_argument("source", metavar="SOURCE", help="the video: a path or s3:// URI")
    parser.add_argument("output", metavar="OUTPUT", help="the result: .mp4, .mov or .mkv")
    add_face_arguments(parser)
    parser.add_argument("--consent", metavar="TEXT", help="on whose permission; needed wherever a face is changed")
    add_content_arguments(parser)
    add_limit_argument(parser)
    add_video_arguments(parser)
    parser.add_argument(
        "--on-bad-frames",
        choices=ON_BAD_FRAMES,
        default="fail",
        help="what becomes of frames that do not decode whole, and of those decoded from them: fail (default); repeat "
        "the last good frame; or original: as the decoder mends them, no face changed",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an OUTPUT that exists; where it is a link, the link"
    )
    parser.add_argument(
        "--segment-seconds",
        type=seconds_or_auto,
        default=10.0,
        metavar="S",
        help=f"least length of a segment: {SEGMENT_SECONDS}: by SOURCE's length and --workers (default: %(default)g)",
    )
    parser.add_argument(
        "--normalise",
        action="store_true",
        help="code stretches without keyframes anew first, without loss, so that workers can share them (default: off)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=default_workers(),
        metavar="N",
        help=f"worker processes at once, {WORKERS} (default: %(default)s)",
    )
    parser.add_argument(
        "--retries",
        type=int,
        default=3,
        metavar="N",
        help=f"tries again of a failed stage, {RETRIES} (default: %(default)s)",
    )
    parser.add_argument(
        "--scratch",
        metavar="S3_URI",
        help="keep segments and parts there, not in an embedded store; needed where a video, photo or model is in s3://",
    )
    parser.add_argument("--endpoint-url", metavar="URL", help="the S3 endpoint of --scratch and s3:// URIs")
    parser.add_argument("--report", type=file_of, metavar="FILE.json", help="write what was done")
    parser.set_defaults(body=run)


def default_workers() -> int:
    """As many as there are cores to run on, eight at most."""
    return min(8, usable_cores())


def run(options: argparse.Namespace) -> int:
    """Carry the command out."""
    spec = spec_of(options)
    folder = make_runs_folder() / job_name(spec)
    embedded = options.scratch is None
    _check(spec, options, folder)
    if options.engine == "passthrough" and (options.face or options.swap):
        print("recast: --engine passthrough: no face is changed, photos are not looked at", file=sys.stderr)
    try:
        with terminated_by_signals(STOP_SECONDS + 5), run_folder(spec, folder):
            if embedded:
                with embedded_job(spec, folder) as (embedded_spec, raise_if_full):
                    report = _run(embedded_spec, options, folder, raise_if_full)
            else:
                report = _run(spec, options, folder)
    except (RecastError, Terminated) as error:
        code = error.code if isinstance(error, Terminated) else error.exit_code
        return _failed(error, code, folder, embedded)
    remove_run(folder)
    _finish(report, spec, options)
    return exitcodes.OK


def _check(spec: JobSpec, options: argparse.Namespace, folder: Path) -> None:
    check_source(spec.source.uri)
    check_photos(spec.faces, spec.limits)
    if options.report is not None:
        check_report(options.report, spec)
    if spec.output.uri.startswith("file://"):
        check_output(spec, folder)


def spec_of(options: argparse.Namespace) -> JobSpec:
    """The job that the command line asks for.

    Raises:
        UsageError: it asks for something that cannot be.
    """
    _check_faces(options)
    if options.workers < 1:
        raise UsageError(f"--workers {options.workers}: give {WORKERS}")
    source, output = to_uri(options.source), to_uri(options.output)
    if os.path.isdir(options.output):
        raise UsageError(f"{options.output}: is a folder: give a file name in it")
    if source == output:
        raise UsageError(f"{options.output}: SOURCE and OUTPUT are the same file")
    check_preset(options)
    with refused_as_typed():
        spec = JobSpec(
            source=Source(uri=source),
            output=Output(uri=output, overwrite=options.overwrite, drop_tracks=kinds_of(options)),
            faces=faces_of(options),
            consent=consent_of(options),
            engine=engine_of(options),
            content_check=content_check_of(options),
            video=video_of(options, ON_BAD_FRAMES[options.on_bad_frames]),
            audio=audio_of(options),
            segments=Segments(
                target_seconds=options.segment_seconds,
                max_parallelism=options.workers,
                retries=options.retries,
                normalise=options.normalise,
            ),
            limits=limits_of(options),
            storage=Storage(endpoint=options.endpoint_url, scratch=options.scratch or EMBEDDED_SCRATCH),
        )
    if options.scratch is None and any(uri.startswith("s3://") for uri in spec.uris):
        raise UsageError("s3:// URIs need --scratch s3://bucket/prefix, and --endpoint-url unless it is AWS")
    return spec


def _check_faces(options: argparse.Namespace) -> None:
    if options.consent is not None and not options.consent.strip():
        raise UsageError("--consent is blank: say on whose permission a face is changed")
    if options.engine == "passthrough":
        return
    missing = [] if options.face or options.swap else ["--face PHOTO (or --swap PHOTO=WHO)"]
    missing += [] if options.consent else ["--consent TEXT (on whose permission)"]
    if missing:
        are = "is" if len(missing) == 1 else "are"
        raise UsageError(f"{' and '.join(missing)} {are} needed, unless --engine is passthrough")


def seconds_or_auto(text: str) -> float | Literal["Auto"]:
    """What --segment-seconds takes.

    Raises:
        ArgumentTypeError: it is neither.
    """
    try:
        return "Auto" if text.lower() == "auto" else float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"give {SEGMENT_SECONDS}") from error


def _run(
    spec: JobSpec, options: argparse.Namespace, folder: Path, before_retry: Callable[[], None] = lambda: None
) -> RunReport:
    log = folder / "log.jsonl"
    with show_progress() as progress:
        return LocalRun(spec, workers=options.workers, log=log, progress=progress, before_retry=before_retry).run()


def _failed(error: RecastError | Terminated, code: int, folder: Path, embedded: bool) -> int:
    text = "stopped" if isinstance(error, Terminated) else as_typed(str(error))
    reason = getattr(error, "reason", "")
    # Its own cure is another name for the job, which no command has.
    outdated = embedded and reason == names.INPUTS_CHANGED
    print(f"recast: {OUTDATED if outdated else text}", file=sys.stderr)
    if is_in_use(folder):
        # By another run of the same command: it is that one's to go on with.
        return code
    if reason == names.DISK_FULL and (room := _room_for(text, folder)):
        print(f"recast: {room}", file=sys.stderr)
    if outdated or not is_kept_after(code, getattr(error, "stage", "")) or not folder.exists():
        remove_run(folder)
        return code
    what = "what is done" if embedded else "the log"
    print(f"recast: {what} is kept in {folder}: type the same command again to go on", file=sys.stderr)
    return code


def _room_for(text: str, folder: Path) -> str:
    """Say of the folder whose disk is full how much it takes, and what names another; empty of the output's."""
    temporary = tempfile.gettempdir()
    if text.startswith((f"{folder}/", f"{folder}: ")):
        return (
            f"{size(shutil.disk_usage(folder.parent).free)} are free there, and the source's and the output's video "
            f"are kept there: XDG_CACHE_HOME names another folder, where the run begins anew"
        )
    if text.startswith(f"{temporary}/{PREFIX}"):
        return (
            f"temporary files are in {temporary}, with {size(shutil.disk_usage(temporary).free)} free; they take at "
            f"most the source's size or twice the output's: TMPDIR names another folder for them"
        )
    return ""


def _finish(report: RunReport, spec: JobSpec, options: argparse.Namespace) -> None:
    record = report.record
    place = as_typed(spec.output.uri)
    for dropped in record.dropped_tracks:
        print(f"left out: {dropped}", file=sys.stderr)
    for bad in record.bad_frames[:NAMED]:
        print(f"bad: {bad.text}", file=sys.stderr)
    if record.bad_frames:
        count = sum(bad.frames for bad in record.bad_frames)
        print(f"bad: {counted(count, 'frame')} did not decode whole", file=sys.stderr)
    if record.lost_text:
        print(f"bad: {record.lost_text}: they are missing in the output, too", file=sys.stderr)
    print(
        f"{place}: {counted(record.frames, 'frame')}, {size(record.size)}, "
        f"{counted(record.faces_swapped, 'face')} changed, "
        f"{report.seconds:.1f} s"
    )
    if record.faces_swapped == 0 and spec.engine.name != "Passthrough":
        print(f"recast: warning: {_unchanged(record.faces_found)}", file=sys.stderr)
    if options.report is not None:
        options.report.write_text(json.dumps(report_json(report, spec), indent=2) + "\n")


def _unchanged(found: int) -> str:
    """Why no face was changed, and what to do."""
    if found == 0:
        return "no face was changed: none was found in any frame; `recast preview` shows what is found"
    faces = "1 face was" if found == 1 else f"{found} faces were"
    return f"no face was changed: {faces} found, over all frames, and none was fit or chosen; `recast preview` says why"


def report_json(report: RunReport, spec: JobSpec) -> dict[str, object]:
    """What `--report` writes."""
    record = report.record
    stages: dict[str, object] = {}
    for stage, results in report.stages.items():
        stages[stage] = {
            "processes": len(results),
            "seconds": round(sum(result.seconds or 0 for result in results), 3),
            "cpuSeconds": round(sum(result.cpu_seconds or 0 for result in results), 3),
            "peakRssBytes": max((result.peak_rss_bytes or 0 for result in results), default=0),
        }
    return {
        "output": {"uri": spec.output.uri, "sha256": record.sha256, "size": record.size},
        "run": report.run,
        "frames": record.frames,
        "segments": report.segments,
        "encoder": record.encoder,
        "facesFound": record.faces_found,
        "facesSwapped": record.faces_swapped,
        "consent": spec.consent.model_dump(mode="json", by_alias=True) if spec.consent else None,
        "contentCheck": record.content_check.model_dump() if record.content_check else "off",
        "droppedTracks": list(record.dropped_tracks),
        "badFrames": [bad.model_dump(by_alias=True) for bad in record.bad_frames],
        "lost": list(record.lost),
        "seconds": round(report.seconds, 3),
        "stages": stages,
        "workerSeconds": record.worker_seconds,
        "gpuBusy": record.gpu_busy,
    }
