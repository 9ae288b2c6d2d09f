"""The last mux: the stamped video and every other track of the source, copied, into the output's container.

FFmpeg 9 does it, in one command with two outputs: the container, and the copied tracks' packets as text (time,
size, hash) for the verification that follows.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

from recast import names
from recast.errors import BadInput, Transient
from recast.manifest import Plan, Track
from recast.media.ffmpeg import FFmpegFailed, run_ffmpeg
from recast.spec import Audio, Container

FORMATS: dict[Container, str] = {"mp4": "mp4", "mov": "mov", "mkv": "matroska"}
PROTOCOLS = "file,http,tcp"


def kept_tracks(plan: Plan) -> list[Track]:
    """The tracks that become tracks of the output, in order, after the video."""
    return [track for track in plan.tracks if track.action in ("Copy", "Convert", "Encode")]


def hashed_tracks(plan: Plan) -> list[Track]:
    """Of those, the ones whose packets must come out as they went in."""
    return [track for track in kept_tracks(plan) if track.action == "Copy" and track.kind != "attachment"]


def mux(
    plan: Plan,
    *,
    video: Path,
    source: str,
    audio: Audio,
    metadata: Mapping[str, str],
    output: Path,
    hashes: Path,
    moved: Callable[[], None],
) -> None:
    """Write the output file, and the source's copied packets as text.

    Args:
        plan: what is kept, and how.
        video: the stamped video, counted from its first frame.
        source: path or loopback URL of the source.
        audio: how audio is encoded, where it is.
        metadata: container metadata to set on top of the source's.
        output: the file to write.
        hashes: where the copied tracks' packets go, as FFmpeg's framehash.
        moved: called now and then.

    Raises:
        BadInput: FFmpeg cannot write one of the tracks.
    """
    command = [
        "-y",
        "-copyts",
        *_video_input(plan, video),
        *_source_input(plan, source),
        *_video_output(plan),
        *_track_outputs(plan, audio),
        *_container_output(plan, metadata),
        f"file:{output}",
        *_hash_output(plan, hashes),
    ]
    try:
        run_ffmpeg(command, moved=moved)
    except FFmpegFailed as error:
        if any("unsupported" in line.lower() or "not supported" in line.lower() for line in error.lines):
            raise BadInput(
                f"{plan.source.uri}: .{plan.container} cannot hold one of its tracks: {error}: use .mkv",
                reason=names.UNSUPPORTED_TRACKS,
            ) from error
        raise Transient(f"{plan.source.uri}: the last mux failed: {error}") from error


def video_start(plan: Plan) -> Fraction:
    """When the video begins in the output, in seconds."""
    return plan.first_pts * plan.video.time_base - plan.start_seconds


def _seconds(value: Fraction) -> str:
    micro = round(value * 1_000_000)
    sign = "-" if micro < 0 else ""
    return f"{sign}{abs(micro) // 1_000_000}.{abs(micro) % 1_000_000:06d}"


def _video_input(plan: Plan, video: Path) -> list[str]:
    facts = plan.video
    turn = []
    if facts.rotation or facts.hflip:
        turn = ["-display_rotation:v:0", str(facts.rotation)]
        if facts.hflip:
            turn += ["-display_hflip:v:0"]
    # The stamped video counts from its first frame.
    return ["-itsoffset", _seconds(video_start(plan)), *turn, "-i", f"file:{video}"]


def _source_input(plan: Plan, source: str) -> list[str]:
    url = source if source.startswith("http://") else f"file:{source}"
    return ["-itsoffset", _seconds(-plan.start_seconds), "-protocol_whitelist", PROTOCOLS, "-i", url]


def _video_output(plan: Plan) -> list[str]:
    tag = ["-tag:v:0", "hvc1"] if plan.encode.codec == "hevc" and plan.container != "mkv" else []
    source = plan.video.stream_index
    return ["-map", "0:v:0", "-c", "copy", *tag, "-map_metadata:s:v:0", f"1:s:{source}"]


def _track_outputs(plan: Plan, audio: Audio) -> list[str]:
    arguments: list[str] = []
    for number, track in enumerate(kept_tracks(plan), start=1):
        arguments += ["-map", f"1:{track.stream_index}", f"-map_metadata:s:{number}", f"1:s:{track.stream_index}"]
        if track.action == "Convert":
            arguments += [f"-c:{number}", "srt" if plan.container == "mkv" else "mov_text"]
        elif track.action == "Encode":
            arguments += [f"-c:{number}", "aac", f"-b:{number}", audio.bitrate]
        elif track.bitstream_filter:
            arguments += [f"-bsf:{number}", track.bitstream_filter]
        if track.kind == "cover":
            arguments += [f"-disposition:{number}", "attached_pic"]
    return arguments


def _container_output(plan: Plan, metadata: Mapping[str, str]) -> list[str]:
    arguments = ["-map_metadata", "1", "-map_chapters", "1", "-fflags", "+bitexact", "-flags", "+bitexact"]
    for key, value in metadata.items():
        arguments += ["-metadata", f"{key}={value}"]
    if plan.container != "mkv":
        arguments += [
            "-movflags",
            "+faststart",
            "-movie_timescale",
            "90000",
            "-video_track_timescale",
            str(plan.video.time_base.denominator),
        ]
    return [*arguments, "-f", FORMATS[plan.container]]


def _hash_output(plan: Plan, hashes: Path) -> list[str]:
    tracks = hashed_tracks(plan)
    if not tracks:
        hashes.write_text("")
        return []
    arguments: list[str] = []
    for number, track in enumerate(tracks):
        arguments += ["-map", f"1:{track.stream_index}"]
        if track.bitstream_filter:
            arguments += [f"-bsf:{number}", track.bitstream_filter]
    return [*arguments, "-c", "copy", "-f", "framehash", "-hash", "sha256", f"file:{hashes}"]
