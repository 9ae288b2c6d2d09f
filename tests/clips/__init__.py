"""Awkward real media for the tests, made by FFmpeg, and by hand where FFmpeg will not.

Each clip is a few seconds of a small moving picture: neighbouring frames differ, so a frame lost or out of
place shows. `CLIPS` maps a name to what it is; `build(name, folder)` makes the file, once:

    path = build("open_gop_hevc", folder)
    CLIPS["open_gop_hevc"].frames      # the frames FFmpeg decodes from it, None where it depends

Files are named by a digest of this package and of FFmpeg, and appear by rename: a cache can be shared by
processes and sessions, and never holds half a file or one of an older recipe.

    rates, gops, times, interlaced, pictures, containers, tracks    what recast takes
    refused                                                         what it must not
    registry                                                        the clips by name, and their files
    recipe                                                          FFmpeg, its inputs and encoders
    mp4boxes, paff, pgs                                             what is written by hand
"""

from tests.clips import containers, gops, interlaced, pictures, rates, refused, times, tracks
from tests.clips.recipe import AAC, exe, ffmpeg, picture, sound, x264, x265
from tests.clips.registry import ANY, CLIPS, Clip, bad, build, good

__all__ = [
    "AAC", "ANY", "CLIPS", "Clip", "bad", "build", "exe", "ffmpeg", "good", "picture", "sound", "x264", "x265",
    "containers", "gops", "interlaced", "pictures", "rates", "refused", "times", "tracks",
]  # fmt: skip
