"""The presets that encoders know, by codec."""

from typing import Literal

from recast.spec import Video

X26X = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo")
SVT_AV1 = tuple(map(str, range(14)))
NVENC = ("slow", "medium", "fast", "p1", "p2", "p3", "p4", "p5", "p6", "p7")
SOFTWARE: dict[str, tuple[str, ...]] = {"h264": X26X, "hevc": X26X, "av1": SVT_AV1}
WORDS: dict[tuple[str, ...], str] = {
    X26X: ", ".join(X26X),
    SVT_AV1: "a number from 0 (best) to 13",
    NVENC: f"with NVENC {', '.join(NVENC)}",
}
ALL = f"h264 and hevc: {WORDS[X26X]}; av1: {WORDS[SVT_AV1]}; {WORDS[NVENC]}"
NUMBERED = frozenset(map(str, range(len(X26X))))
"""x264 and x265 take a preset's number, too."""


def needs_nvenc(video: Video) -> bool:
    """Whether nothing but NVENC will do for what a job asks for."""
    if video.encoder != "Auto":
        return video.encoder == "Nvenc"
    meant = list(SOFTWARE) if video.codec == "Auto" else [video.codec.lower()]
    return all(unknown_preset(each, "Software", video.preset) for each in meant)


def unknown_preset(codec: str, encoder: Literal["Auto", "Software", "Nvenc"], preset: str) -> str | None:
    """What there is instead, where no encoder that may be chosen has this preset.

    Args:
        codec: h264, hevc, av1 or prores, whose encoder has no presets and passes over any.
        encoder: as in the job's spec.
        preset: likewise.
    """
    if preset == "Auto" or codec not in SOFTWARE:
        return None
    sets: list[tuple[str, ...]] = [] if encoder == "Nvenc" else [SOFTWARE[codec]]
    sets += [] if encoder == "Software" else [NVENC]
    if any(preset in known or (known is X26X and preset in NUMBERED) for known in sets):
        return None
    return f"{codec} has no preset {preset}: give {', or '.join(WORDS[known] for known in sets)}"
