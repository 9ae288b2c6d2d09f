"""The last mux: the stamped video and every other track of the source, copied, into the output's container.

FFmpeg 9 does it, in one command with two outputs: the container, and the copied tracks' packets as text (time,
size, hash) for the verification that follows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from av.stream import Disposition

from recast import names
from recast.errors import BadInput, Transient
from recast.manifest import Plan, Track
from recast.media import nal
from recast.media.chapters import as_text
from recast.media.cropping import clap
from recast.media.ffmpeg import FFmpegFailed, run_ffmpeg
from recast.media.formats import SEGMENT_DEMUXERS, ffmpeg_input, open_media
from recast.media.stamp import StampedVideo
from recast.process.exhausted import raise_if_exhausted
from recast.spec import Audio, Container

FORMATS: dict[Container, str] = {"mp4": "mp4", "mov": "mov", "mkv": "matroska"}
STALE_TAGS = ("encoder", "BPS", "NUMBER_OF_FRAMES", "NUMBER_OF_BYTES", "_STATISTICS_WRITING_APP", "_STATISTICS_TAGS")
"""What the source says of its own encode of the video."""
LAST = {"attachment": 1, "cover": 2}
UNWRITABLE = ("unsupported", "not supported", "could not write header", "not yet implemented")
"""How FFmpeg says that a container does not take a track."""
IMAGE_TYPES = {
    "mjpeg": ("jpg", "image/jpeg"),
    "png": ("png", "image/png"),
    "bmp": ("bmp", "image/bmp"),
    "gif": ("gif", "image/gif"),
    "tiff": ("tiff", "image/tiff"),
    "webp": ("webp", "image/webp"),
}


def kept_tracks(plan: Plan) -> list[Track]:
    """The tracks that become tracks of the output, after the video, in the order that they are read back in.

    Demuxers give Matroska's attachments, and cover art of any container, after all other tracks.
    """
    kept = [track for track in plan.tracks if track.action in ("Copy", "Convert", "Encode")]
    return sorted(kept, key=lambda track: LAST.get(track.kind, 0))


def hashed_tracks(plan: Plan) -> list[Track]:
    """Of those, the ones whose packets must come out as they went in."""
    return [track for track in kept_tracks(plan) if track.action == "Copy" and track.kind != "attachment"]


@dataclass(frozen=True)
class MuxFiles:
    """What goes into the last mux and what comes out of it.

    Attributes:
        video: the stamped video.
        source: path or loopback URL of the source.
        output: the file to write.
        hashes: where the copied tracks' packets go, as FFmpeg's framehash.
    """

    video: StampedVideo
    source: str
    output: Path
    hashes: Path


def mux(plan: Plan, files: MuxFiles, *, audio: Audio, metadata: Mapping[str, str], moved: Callable[[], None]) -> None:
    """Write the output file, and the source's copied packets as text.

    Args:
        plan: what is kept, and how.
        files: inputs and outputs.
        audio: how audio is encoded, where it is.
        metadata: container metadata to set on top of the source's.
        moved: called now and then.

    Raises:
        BadInput: FFmpeg cannot write one of the tracks.
        Transient: FFmpeg failed otherwise.
    """
    try:
        covers = _extract_covers(plan, files.source, files.output.parent, moved)
        command = [
            "-y",
            "-copyts",
            *_video_input(plan, files.video.path),
            *_source_input(plan, files.source),
            *_chapters_input(plan, files.output.with_name("chapters.txt")),
            *_video_output(plan),
            *_track_outputs(plan, audio, covers),
            *_container_output(plan, metadata, files.video.timescale),
            f"file:{files.output}",
            *_hash_output(plan, files.hashes),
        ]
        run_ffmpeg(command, writes=(files.output, files.hashes), moved=moved)
    except FFmpegFailed as error:
        raise_if_exhausted(error, str(files.output.parent))
        if any(words in line.lower() for line in error.lines for words in UNWRITABLE):
            raise BadInput(
                f"{plan.source.uri}: .{plan.container} cannot hold one of its tracks: {error}: use another container, "
                "or leave it out by dropTracks",
                reason=names.UNSUPPORTED_TRACKS,
            ) from error
        raise Transient(f"{plan.source.uri}: the last mux failed: {error}") from error


def _extract_covers(plan: Plan, source: str, folder: Path, moved: Callable[[], None]) -> dict[int, Path]:
    """Cover art as files: Matroska holds it as attachments, which FFmpeg takes from files only."""
    covers = [track for track in kept_tracks(plan) if track.kind == "cover" and plan.container == "mkv"]
    files = {}
    for track in covers:
        path = files[track.stream_index] = folder / f"cover{track.stream_index}.{IMAGE_TYPES[track.codec][0]}"
        once = ["-map", f"0:{track.stream_index}", "-c", "copy", "-frames:v", "1", "-update", "1", "-f", "image2"]
        run_ffmpeg(["-y", *ffmpeg_input(source), *once, f"file:{path}"])
        moved()
    return files


def video_start(plan: Plan) -> Fraction:
    """When the video begins in the output, in seconds."""
    return plan.first_pts * plan.video.time_base - plan.start_seconds


def lead_ticks(plan: Plan) -> int:
    """How far apart the decode times before the first frame are.

    MP4 and MOV take a frame's duration from them, and the track's rate and length. Matroska stores none, but would
    have all tracks begin later, so that none is negative.
    """
    return 1 if plan.container == "mkv" else plan.video.frame_ticks


def said_by_container(plan: Plan) -> list[bytes]:
    """Boxes for the stamped video's sample entry, which the last mux turns into the container's own words."""
    facts = plan.video
    boxes = [clap(facts.crop, facts.width, facts.height)] if facts.crop else []
    # The other codecs' pictures say it themselves.
    hdr = {"mdcv", "clli"} if plan.encode.codec in ("h264", "prores") else set()
    return boxes + [bytes.fromhex(box) for name, box in facts.carried.items() if name in {"sv3d", "st3d", *hdr}]


def _seconds(value: Fraction) -> str:
    micro = round(value * 1_000_000)
    sign = "-" if micro < 0 else ""
    return f"{sign}{abs(micro) // 1_000_000}.{abs(micro) % 1_000_000:06d}"


def _video_input(plan: Plan, video: Path) -> list[str]:
    # The stamped video counts from its first frame.
    return ["-itsoffset", _seconds(video_start(plan)), *ffmpeg_input(video, demuxers=SEGMENT_DEMUXERS)]


def _source_input(plan: Plan, source: str) -> list[str]:
    return ["-itsoffset", _seconds(-plan.start_seconds), *ffmpeg_input(source, deep=plan.deep)]


def _chapters_input(plan: Plan, path: Path) -> list[str]:
    if not plan.chapters:
        return []
    path.write_text(as_text(plan.chapters), encoding="utf-8")
    return ["-itsoffset", _seconds(-plan.start_seconds), *ffmpeg_input(path, demuxers=("ffmetadata",))]


def _video_output(plan: Plan) -> list[str]:
    tag = ["-tag:v:0", "hvc1"] if plan.encode.codec == "hevc" and plan.container != "mkv" else []
    source, rate = plan.video.stream_index, plan.video.rate
    # Matroska says a frame's duration in its header; that of the stamped video has the lead in it.
    nominal = ["-r:v:0", f"{rate.numerator}/{rate.denominator}"] if plan.container == "mkv" else []
    arguments = ["-map", "0:v:0", "-c", "copy", *tag, *nominal, "-map_metadata:s:v:0", f"1:s:{source}"]
    for key in STALE_TAGS:
        arguments += ["-metadata:s:v:0", f"{key}="]
    return [*arguments, *_title(0, plan.video.title)]


def _title(number: int, title: str | None) -> list[str]:
    # Demuxers and muxers of one format do not even agree with themselves on its name.
    return [f"-metadata:s:{number}", f"title={title}"] if title else []


def _track_outputs(plan: Plan, audio: Audio, covers: Mapping[int, Path]) -> list[str]:
    arguments: list[str] = []
    for number, track in enumerate(kept_tracks(plan), start=1):
        if track.stream_index in covers:
            path = covers[track.stream_index]
            arguments += ["-attach", f"file:{path}", f"-metadata:s:{number}", f"mimetype={IMAGE_TYPES[track.codec][1]}"]
            arguments += [f"-metadata:s:{number}", f"filename={track.title or f'cover{path.suffix}'}"]
            continue
        arguments += ["-map", f"1:{track.stream_index}", f"-map_metadata:s:{number}", f"1:s:{track.stream_index}"]
        if track.action == "Convert":
            arguments += [f"-c:{number}", "srt" if plan.container == "mkv" else "mov_text"]
        elif track.action == "Encode":
            arguments += [f"-c:{number}", "aac", f"-b:{number}", audio.bitrate]
        elif track.bitstream_filter:
            arguments += [f"-bsf:{number}", track.bitstream_filter]
        if track.kind != "attachment":
            arguments += _title(number, track.title)
        if track.kind == "video":
            arguments += [f"-disposition:{number}", "-attached_pic-timed_thumbnails"]
        if track.kind == "cover":
            arguments += [f"-disposition:{number}", "attached_pic"]
    return arguments


def _container_output(plan: Plan, metadata: Mapping[str, str], timescale: int) -> list[str]:
    arguments = ["-map_metadata", "1", "-map_chapters", "2" if plan.chapters else "1"]
    if plan.container == "mkv":
        # No random identifiers. MP4 and MOV have none, and would lose their metadata by it.
        arguments += ["-fflags", "+bitexact"]
    for key, value in metadata.items():
        arguments += ["-metadata", f"{key}={value}"]
    if plan.container != "mkv":
        arguments += [
            "-movflags",
            "+faststart",
            "-movie_timescale",
            "90000",
            # Spheres, and 3D.
            "-strict",
            "unofficial",
            "-video_track_timescale",
            str(timescale),
        ]
    return [*arguments, "-f", FORMATS[plan.container]]


def _hash_output(plan: Plan, hashes: Path) -> list[str]:
    tracks = hashed_tracks(plan)
    if not tracks:
        hashes.write_text("")
        return []
    filters = [_chain(track.bitstream_filter, _alike(track)) for track in tracks]
    return _framehash([f"1:{track.stream_index}" for track in tracks], filters, hashes)


def hash_output_tracks(plan: Plan, output: Path, numbers: Mapping[int, int], hashes: Path) -> list[Track]:
    """Write the copied tracks' packets of the finished file as text, like `mux` does for the source's.

    Args:
        plan: what was kept.
        output: the file.
        numbers: where the tracks are in it; see `track_numbers`.
        hashes: where the text goes.

    Returns:
        the tracks that are in it.

    Raises:
        Transient: FFmpeg cannot read it back.
    """
    tracks = [track for track in hashed_tracks(plan) if track.stream_index in numbers]
    maps = [f"0:{numbers[track.stream_index]}" for track in tracks]
    if not tracks:
        hashes.write_text("")
        return []
    # Back to start codes, as in the source.
    filters = [_chain(f"{track.codec}_mp4toannexb" if track.start_codes else None, _alike(track)) for track in tracks]
    try:
        run_ffmpeg(["-y", "-copyts", *ffmpeg_input(output), *_framehash(maps, filters, hashes)])
    except FFmpegFailed as error:
        raise_if_exhausted(error, str(hashes.parent))
        raise Transient(f"{plan.source.uri}: its output cannot be read back: {error}") from error
    return tracks


def empty_tracks(plan: Plan, numbers: Mapping[int, int]) -> list[Track]:
    """The tracks that the finished file leaves out, since they have no packets; see `track_numbers`."""
    return [track for track in kept_tracks(plan) if track.stream_index not in numbers]


def track_numbers(plan: Plan, output: Path) -> dict[int, int]:
    """Where the kept tracks are in the finished file, by their place in the source.

    MP4 and MOV leave out a track that has no packets, and only then its identifier.
    """
    kept = kept_tracks(plan)
    if plan.container == "mkv":
        return {track.stream_index: number for number, track in enumerate(kept, start=1)}
    with open_media(output) as container:
        covers = [each.index for each in container.streams if each.disposition & Disposition.attached_pic]
        places = {each.id: each.index for each in container.streams if each.index not in covers}
    tracks = [track for track in kept if track.kind != "cover"]
    found = {track.stream_index: places.get(identifier) for identifier, track in enumerate(tracks, start=2)}
    found |= dict(zip((track.stream_index for track in kept if track.kind == "cover"), covers, strict=False))
    return {index: place for index, place in found.items() if place is not None}


def _alike(track: Track) -> str | None:
    """A filter after which a copied track's packets are the same, whatever container they come from."""
    if track.codec.startswith("pcm_"):
        # Every container cuts PCM into packets of its own.
        return "pcm_rechunk=n=4800:pad=0"
    return f"filter_units=remove_types={nal.PARAMETERS[track.codec]}" if track.start_codes else None


def _chain(*filters: str | None) -> str:
    return ",".join(filter(None, filters))


def _framehash(maps: Sequence[str], filters: Sequence[str], hashes: Path) -> list[str]:
    arguments: list[str] = []
    for number, (stream, chain) in enumerate(zip(maps, filters, strict=True)):
        arguments += ["-map", stream, *([f"-bsf:{number}", chain] if chain else [])]
    return [*arguments, "-c", "copy", "-f", "framehash", "-hash", "sha256", f"file:{hashes}"]
