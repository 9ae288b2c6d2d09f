"""How much damage strict decoding sees, and what it costs: `python -m benchmarks.damage [CODEC ...]`.

For each codec that FFmpeg here encodes: one packet is harmed at a time, and the whole clip decoded as a worker does it.
Then the same whole clip is decoded tolerantly and strictly in turns, and the least CPU time of each compared.
"""

import hashlib
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import av
import imageio_ffmpeg
from av.video.frame import VideoFrame

from recast.errors import FramesDamaged
from recast.media.segments import SegmentWriter, decode_segment

SIZE, SECONDS, THREADS = "480x270", 1, 2
COST_SECONDS, TURNS = 4, 6
HARMED = 12
ENCODERS: dict[str, tuple[str, ...]] = {
    "h264": ("-c:v", "libx264", "-g", "12"),
    "hevc": ("-c:v", "libx265", "-preset", "fast", "-x265-params", "log-level=error:keyint=12:pools=1"),
    "mpeg2": ("-c:v", "mpeg2video", "-q:v", "5", "-bf", "2"),
    "mpeg4": ("-c:v", "mpeg4", "-q:v", "5", "-bf", "2"),
    "vp9": ("-c:v", "libvpx-vp9", "-b:v", "2M", "-deadline", "realtime", "-cpu-used", "8", "-g", "12"),
    "av1": ("-c:v", "libsvtav1", "-preset", "12", "-g", "12", "-svtav1-params", "lp=1"),
    "prores": ("-c:v", "prores_ks", "-pix_fmt", "yuv422p10le"),
    "dnxhd": ("-c:v", "dnxhd", "-profile:v", "dnxhr_sq", "-pix_fmt", "yuv422p"),
    "mjpeg": ("-c:v", "mjpeg", "-q:v", "4"),
    "ffv1": ("-c:v", "ffv1", "-level", "3", "-slicecrc", "1"),
}


def flipped(data: bytes, chosen: random.Random) -> bytes:
    """One bit behind the header."""
    place = chosen.randrange(len(data) // 10, len(data))
    return data[:place] + bytes([data[place] ^ 1 << chosen.randrange(8)]) + data[place + 1 :]


def zeroed(data: bytes, chosen: random.Random) -> bytes:
    """A block of 512 bytes is nought."""
    place = chosen.randrange(len(data) // 10, len(data))
    return data[:place] + bytes(min(512, len(data) - place)) + data[place + 512 :]


def garbled(data: bytes, chosen: random.Random) -> bytes:
    """A block of 512 bytes is another one."""
    place = chosen.randrange(len(data) // 10, len(data))
    return data[:place] + chosen.randbytes(min(512, len(data) - place)) + data[place + 512 :]


def cut(data: bytes, chosen: random.Random) -> bytes:
    """The end is missing."""
    return data[: chosen.randrange(len(data) // 10, len(data))]


Harm = Callable[[bytes, random.Random], bytes]
HARMS: tuple[Harm, ...] = (flipped, zeroed, garbled, cut)


def clip(folder: Path, name: str, seconds: float) -> Path:
    """A noisy moving picture; kept in a container that every one of the codecs goes into."""
    path = folder / f"{name}-{seconds}{'.mov' if name in ('prores', 'dnxhd') else '.mkv'}"
    picture = f"testsrc2=size={SIZE}:rate=25:duration={seconds},noise=alls=8:allf=t:all_seed=3"
    pixels = () if "-pix_fmt" in ENCODERS[name] else ("-pix_fmt", "yuv420p")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "lavfi", "-i", picture]
    subprocess.run([*command, *pixels, *ENCODERS[name], str(path)], check=True)
    return path


def rewritten(source: Path, path: Path, number: int = -1, harm: Callable[[bytes], bytes] | None = None) -> int:
    """The clip as a segment, one packet of it harmed; gives how many packets there are."""
    with av.open(str(source)) as container:
        stream = container.streams.video[0]
        writer = SegmentWriter(path, stream, source.name)
        count = 0
        for packet in container.demux(stream):
            if packet.size == 0:
                continue
            copy = packet
            if count == number and harm is not None:
                copy = av.Packet(harm(bytes(packet)))  # type: ignore[assignment]  # it has no stream
                copy.is_keyframe = packet.is_keyframe
            writer.write(copy, count)
            count += 1
        writer.close()
    return count


def digests(frames: Iterable[VideoFrame]) -> list[str]:
    """Of the pictures."""
    return [hashlib.md5(frame.to_ndarray().tobytes(), usedforsecurity=False).hexdigest() for frame in frames]


def seen(folder: Path, name: str, harm: Harm) -> tuple[int, int, int]:
    """How many harms changed a picture, how many of these strict decoding noticed, and how many other ones."""
    source, path = clip(folder, name, SECONDS), folder / "segment.mkv"
    count = rewritten(source, path)
    whole = digests(decode_segment(path, threads=THREADS))
    chosen = random.Random(5)  # noqa: S311  # the same harm each time
    changed = noticed = needless = 0
    for _ in range(HARMED):
        try:
            rewritten(source, path, chosen.randrange(count), lambda data: harm(data, chosen))
        except av.error.InvalidDataError:
            # Split cannot write it, and says so.
            changed, noticed = changed + 1, noticed + 1
            continue
        is_changed = digests(decode_segment(path, threads=THREADS)) != whole
        try:
            is_noticed = digests(decode_segment(path, threads=THREADS, strict=True)) != whole and not is_changed
        except FramesDamaged:
            is_noticed = True
        changed += is_changed
        noticed += is_changed and is_noticed
        needless += is_noticed and not is_changed
    return changed, noticed, needless


def cost(folder: Path, name: str) -> float:
    """CPU time of strict decoding, by that of tolerant decoding."""
    path = folder / "segment.mkv"
    rewritten(clip(folder, name, COST_SECONDS), path)
    least = {False: float("inf"), True: float("inf")}
    for _ in range(TURNS):
        for strict in least:
            start = time.process_time()
            for _ in decode_segment(path, threads=THREADS, strict=strict):
                pass
            least[strict] = min(least[strict], time.process_time() - start)
    return least[True] / least[False]


def main() -> None:
    """Print the table."""
    names = [harm.__name__ for harm in HARMS]
    print("| codec | " + " | ".join(names) + " | CPU, strict by tolerant |")
    print("|---" * (len(names) + 2) + "|")
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[1:] or ENCODERS:
            cells = []
            for harm in HARMS:
                changed, noticed, needless = seen(Path(folder), name, harm)
                cells.append(f"{noticed} of {changed}" + (f" (+{needless})" if needless else ""))
            print(f"| {name} | " + " | ".join(cells) + f" | {cost(Path(folder), name):.2f} |", flush=True)


if __name__ == "__main__":
    main()
