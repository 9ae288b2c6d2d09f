"""Arguments of the output's video and tracks, that `run` and `inspect` share."""

import argparse
from typing import Any, Literal, get_args

from recast.commands.refusals import QUALITY
from recast.errors import UsageError
from recast.media.presets import ALL, SOFTWARE, unknown_preset
from recast.spec import Audio, OnBadFrames, PixelFormat, TrackKind, Video

CODECS = {"auto": "Auto", "h264": "H264", "hevc": "Hevc", "av1": "Av1", "prores": "ProRes"}
ENCODERS: dict[str, Literal["Auto", "Software", "Nvenc"]] = {"auto": "Auto", "software": "Software", "nvenc": "Nvenc"}
TRACKS: tuple[TrackKind, ...] = get_args(TrackKind)


def add_video_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that say how the output is encoded, and what is kept beside its pictures."""
    parser.add_argument(
        "--codec", choices=CODECS, default="auto", help="default: the source's, where it can be written"
    )
    parser.add_argument(
        "--encoder", choices=sorted(ENCODERS), default="auto", help="auto takes NVENC where there is one (default)"
    )
    parser.add_argument(
        "--quality", default="18", metavar="N|lossless", help=f"constant quality, {QUALITY} (default: %(default)s)"
    )
    parser.add_argument(
        "--preset", default="auto", metavar="NAME", help=f"how fast or thorough the encoder is (default: auto); {ALL}"
    )
    parser.add_argument(
        "--pixel-format",
        choices=[name.lower() for name in get_args(PixelFormat)],
        default="source",
        help="depth and chroma of the pictures (default: the source's, where that has no more than 10 bits, no alpha "
        "and no RGB)",
    )
    parser.add_argument("--audio", choices=("copy", "aac"), default="copy", help="default: copied bit for bit")
    parser.add_argument(
        "--drop-tracks",
        default="",
        metavar="KIND,...",
        help="leave these kinds of tracks out where OUTPUT's container cannot hold them, instead of refusing the run; "
        f"what it can hold is kept: {', '.join(TRACKS)}",
    )


def video_of(options: argparse.Namespace, on_bad_frames: OnBadFrames = "Fail") -> Video:
    """How the job's video is encoded.

    Raises:
        UsageError: a quality that is none.
        ValidationError: of the model, where a value is out of its range.
    """
    return Video(
        codec=CODECS[options.codec],
        encoder=ENCODERS[options.encoder],
        quality=_quality(options.quality),
        on_bad_frames=on_bad_frames,
        preset="Auto" if options.preset == "auto" else options.preset,
        pixel_format=options.pixel_format.capitalize(),
    )


def audio_of(options: argparse.Namespace) -> Audio:
    """What becomes of the job's sound."""
    return Audio(codec="Copy" if options.audio == "copy" else "Aac")


def check_preset(options: argparse.Namespace) -> None:
    """Refuse a preset that no encoder has; which codec is meant by auto, only the source says.

    Raises:
        UsageError: there is none of that name.
    """
    if options.preset == "auto" or not options.preset.isalnum():
        return
    meant = SOFTWARE if options.codec == "auto" else [options.codec]
    faults = [unknown_preset(codec, ENCODERS[options.encoder], options.preset) for codec in meant]
    if all(faults):
        told = faults[0] if len(faults) == 1 else f"no codec has a preset {options.preset}: {ALL}"
        raise UsageError(f"--preset: {told}")


def kinds_of(options: argparse.Namespace) -> tuple[Any, ...]:
    """Kinds of tracks that may be left out.

    Raises:
        UsageError: there is no such kind.
    """
    kinds = tuple(kind.strip() for kind in options.drop_tracks.split(",") if kind.strip())
    for kind in kinds:
        if kind not in TRACKS:
            raise UsageError(f"--drop-tracks {kind}: give kinds out of {', '.join(TRACKS)}")
    return kinds


def _quality(text: str) -> int | Literal["Lossless"]:
    if text.lower() == "lossless":
        return "Lossless"
    if not text.isdecimal():
        raise UsageError(f"--quality {text}: give {QUALITY}")
    return int(text)
