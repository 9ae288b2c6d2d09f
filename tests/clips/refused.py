"""What must be refused: damaged files, files that are no video, and pictures that are not supported."""

import struct
from pathlib import Path

from tests.clips.mp4boxes import find_box, replace_box
from tests.clips.rates import cfr
from tests.clips.recipe import AAC, BFRAMES, PLAIN, ffmpeg, one_behind_the_other, picture, sound, x264, x265
from tests.clips.registry import MKV, MOV, MP4, build, clip
from tests.clips.tracks import cover


def _front(out: Path) -> bytes:
    """A whole MP4 with its index in front."""
    whole = out.with_name("front.mp4")
    ffmpeg(*picture(), *sound(), *x264(BFRAMES), *AAC, "-movflags", "+faststart", whole)
    return whole.read_bytes()


@clip(MP4, bad="the file is cut off")
def truncated(out: Path) -> None:
    """The index is in front, a third of the media is cut off."""
    data = _front(out)
    out.write_bytes(data[: len(data) * 2 // 3])


@clip(MKV, bad="the file is cut off")
def truncated_mkv(out: Path) -> None:
    """Matroska that ends in the middle, though its header says how long it is."""
    _truncated_copy("cfr", out)


@clip(".avi", bad="the file is cut off")
def truncated_avi(out: Path) -> None:
    """AVI that ends in the middle, though its header says how long it is."""
    _truncated_copy("cfr", out, "-c:a", "mp3")


def _truncated_copy(name: str, out: Path, *coding: str) -> None:
    whole = out.with_name(f"whole{out.suffix}")
    ffmpeg("-i", build(name), "-c", "copy", *coding, whole)
    out.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.6)])


@clip(MP4, bad="there is no index")
def truncated_no_moov(out: Path) -> None:
    """Cut off before the index at the end."""
    whole = out.with_name("whole.mp4")
    cfr(whole)
    data = whole.read_bytes()
    out.write_bytes(data[: find_box(data, b"moov")[0] - 1000])


@clip(MP4, bad="the media is damaged", traits="audio corrupt")
def corrupt_packet(out: Path) -> None:
    """Bytes in the middle of the media are flipped, the index is whole."""
    data = bytearray(_front(out))
    start, end = find_box(bytes(data), b"mdat")
    middle = (start + end) // 2
    for i in range(middle, middle + 6000):
        data[i] ^= 0xA5
    out.write_bytes(data)


@clip(MP4, bad="it is no media", traits="")
def text(out: Path) -> None:
    """A text under a video's name."""
    out.write_text("This is not a video.\n" * 50)


@clip(MP4, bad="it is empty", traits="")
def empty(out: Path) -> None:
    """No bytes at all."""
    out.write_bytes(b"")


@clip(".m4a", bad="there is no video")
def audio_only(out: Path) -> None:
    """Sound alone."""
    ffmpeg(*sound(), *AAC, out)


@clip(".m4a", bad="there is no video but the cover")
def audio_cover(out: Path) -> None:
    """Sound with cover art: its only video track is an attached picture."""
    inputs = [*sound(), "-i", str(cover(out)), "-map", "0:a", "-map", "1:v"]
    ffmpeg(*inputs, *AAC, "-c:v", "copy", "-disposition:v:0", "attached_pic", "-f", "mp4", out)


@clip(MP4, bad="no decoder knows the codec")
def unknown_codec(out: Path) -> None:
    """A sample entry that no decoder knows."""
    data = _front(out)
    start, end = find_box(data, b"moov")
    out.write_bytes(data[:start] + data[start:end].replace(b"avc1", b"zzq1") + data[end:])


@clip(MP4, bad="12 bit", traits="")
def hevc_12bit(out: Path) -> None:
    """HEVC Main 12."""
    ffmpeg(*picture(1), *x265("keyint=24", "-pix_fmt", "yuv420p12le"), out)


@clip(MOV, bad="alpha", traits="")
def alpha_prores(out: Path) -> None:
    """ProRes 4444 with an alpha channel."""
    ffmpeg(*picture(1), "-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le", out)


@clip(MOV, bad="alpha", traits="")
def alpha_png(out: Path) -> None:
    """PNG pictures with an alpha channel in MOV."""
    ffmpeg(*picture(1), "-c:v", "png", "-pix_fmt", "rgba", out)


@clip(".webm", bad="alpha", traits="")
def alpha_vp9(out: Path) -> None:
    """VP9 whose alpha lies beside the packets (BlockAdditional)."""
    coded = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-auto-alt-ref", "0"]
    ffmpeg(*picture(1), "-vf", "format=yuva420p", *coded, "-pix_fmt", "yuva420p", out)


@clip(".ts", bad="the picture's size changes", traits="")
def size_change(out: Path) -> None:
    """192x144 for a second, then 256x144, in MPEG-TS."""
    one_behind_the_other(out, *([*picture(1, size=size), *x264()] for size in ("192x144", "256x144")))


@clip(".ts", bad="the pixels' ratio changes", traits="")
def ratio_change(out: Path) -> None:
    """Pixels for a picture of 4:3, then for one of 16:9, as broadcasters switch."""
    one_behind_the_other(out, *([*picture(1), "-vf", f"setdar={ratio}", *x264()] for ratio in ("4/3", "16/9")))


@clip(".ts", bad="the pictures' depth changes", traits="")
def depth_change(out: Path) -> None:
    """8 bits for a second, then 10."""
    layouts = ("yuv420p", "yuv420p10le")
    one_behind_the_other(out, *([*picture(1), *x264(PLAIN, "-pix_fmt", layout)] for layout in layouts))


@clip(".ts", bad="the colours change", traits="")
def colour_change(out: Path) -> None:
    """BT.709 for a second, then HLG."""
    tags = ("bt709:colormatrix=bt709:transfer=bt709", "bt2020:colormatrix=bt2020nc:transfer=arib-std-b67")
    one_behind_the_other(out, *([*picture(1), *x264(f"{PLAIN}:colorprim={tag}")] for tag in tags))


@clip(MKV, bad="the picture's size changes", traits="")
def size_change_mkv(out: Path) -> None:
    """192x144 for a second, then 256x144, in Matroska, whose header names the first alone."""
    changing = out.with_name("change.ts")
    size_change(changing)
    ffmpeg("-i", changing, "-c", "copy", out)


@clip(MP4, bad="it is encrypted")
def encrypted_mp4(out: Path) -> None:
    """MP4 under Common Encryption."""
    key = ["-encryption_key", "76a6c65c5ea762046bd749a2e632ccbb", "-encryption_kid", "a7e61c373e219033c21091fa607bf3b8"]
    ffmpeg(*picture(1), *sound(1), *x264(BFRAMES), *AAC, "-encryption_scheme", "cenc-aes-ctr", *key, out)


@clip(".ts", bad="it is scrambled")
def scrambled_ts(out: Path) -> None:
    """MPEG-TS as a receiver without a card records it: all but the tables is scrambled, and says so."""
    whole = out.with_name("whole.ts")
    ffmpeg(*picture(1), *sound(1), *x264(BFRAMES), "-c:a", "mp2", whole)
    data = bytearray(whole.read_bytes())
    for place in range(0, len(data), 188):
        if int.from_bytes(data[place + 1 : place + 3], "big") & 0x1FFF >= 0x100:
            data[place + 3] |= 0x80
            data[place + 40 : place + 188] = bytes(byte ^ 0x5A for byte in data[place + 40 : place + 188])
    out.write_bytes(data)


@clip(MP4, bad="sound of several edits")
def cut_sound(out: Path) -> None:
    """Sound of which the first second is heard, then nothing for half of one, then the third second."""
    whole = out.with_name("whole.mp4")
    # The sound's track is the first, where it is found.
    ffmpeg(*sound(4), *picture(4), "-map", "0", "-map", "1", *x264(BFRAMES), *AAC, "-movie_timescale", "1000", whole)
    edits = [(1000, 1024), (500, -1), (1000, 97_024)]
    body = struct.pack(">II", 0, len(edits)) + b"".join(struct.pack(">IiI", *edit, 1 << 16) for edit in edits)
    out.write_bytes(replace_box(whole.read_bytes(), b"moov/trak/edts/elst", body))
