"""How a pod decodes: on the GPU (NVDEC) where that gives the very frames of the software decoder.

NVDEC says little of damaged packets. What it is trusted with are the codecs whose decoding is defined to the bit, and
only after the first frames of the pod's first segment came out equal; a segment in which it loses a frame is begun
again in software.
"""

from collections.abc import Callable, Generator
from contextlib import closing
from itertools import islice, zip_longest
from pathlib import Path

import av
from av.codec.hwaccel import HWAccel
from av.video.frame import VideoFrame

from recast import log
from recast.errors import BadInput, FramesDamaged
from recast.manifest import VideoFacts
from recast.media.segments import decode_segment
from recast.process.exhausted import raise_if_exhausted
from recast.spec import Video
from segment_worker.frames import to_pixel_format
from segment_worker.gpu import gpu_name

# AV1, too, is defined to the bit, but FFmpeg's NVDEC refused it on an H100; dav1d is fast.
CODECS = ("h264", "hevc", "vp9")
PIXEL_FORMATS = ("yuv420p", "yuv420p10le")
COMPARED_FRAMES = 24

Decode = Callable[[Path], Generator[VideoFrame, None, None]]


class Decoder:
    """Decodes the segments of a pod.

    Args:
        video: of the job's spec.
        facts: what the source is.
        threads: of the software decoder.
        by_gpu: decodes on the GPU; a test passes its own.
        has_gpu: whether there is one.
    """

    def __init__(
        self,
        video: Video,
        facts: VideoFacts,
        *,
        threads: int,
        by_gpu: Decode | None = None,
        has_gpu: Callable[[], bool] = lambda: gpu_name() is not None,
    ) -> None:
        self._facts, self._threads = facts, threads
        self._by_gpu = by_gpu or self._decode_by_gpu
        fits = facts.codec in CODECS and facts.pix_fmt in PIXEL_FORMATS and facts.field_order == "progressive"
        # What a GPU makes of damage, nobody knows.
        wanted = video.decoder == "Auto" and video.on_bad_frames == "Fail" and fits and has_gpu()
        self._on_gpu: bool | None = None if wanted else False

    @property
    def name(self) -> str:
        """Nvdec or Software."""
        return "Nvdec" if self._on_gpu else "Software"

    def frames(self, path: Path, *, preroll: int = 0) -> Generator[VideoFrame, None, None]:
        """Decode a segment; each frame's pts is its packet's stamp.

        Args:
            path: its packets.
            preroll: those at its head that need not decode.

        Raises:
            BadInput: the GPU fails on the way.
            FramesDamaged: the software decoder sees a sign of damage.
        """
        if self._on_gpu is None:
            self._on_gpu = self._is_exact(path)
            log.info("decoder chosen", decoder=self.name)
        if self._on_gpu:
            return self._all_by_gpu(path)
        return decode_segment(path, threads=self._threads, strict=True, preroll=preroll)

    def give_up_gpu(self) -> bool:
        """Go on in software; gives whether that is a change."""
        before, self._on_gpu = self._on_gpu, False
        return bool(before)

    def use_one_thread(self) -> None:
        """Go on with one thread: of H.264 in fields, several call frames damaged that are whole."""
        self._threads = 1

    def _is_exact(self, path: Path) -> bool:
        with (
            closing(decode_segment(path, threads=self._threads)) as software,
            closing(self._by_gpu(path)) as hardware,
        ):
            try:
                pairs = list(zip_longest(islice(software, COMPARED_FRAMES), islice(hardware, COMPARED_FRAMES)))
            except (av.error.FFmpegError, NotImplementedError, FramesDamaged) as error:
                raise_if_exhausted(error)
                log.warning("the GPU does not decode: software goes on", codec=self._facts.codec, detail=str(error))
                return False
        if all(_is_same(one, other) for one, other in pairs):
            return True
        log.warning("the GPU decodes otherwise than the software decoder, which goes on", codec=self._facts.codec)
        return False

    def _all_by_gpu(self, path: Path) -> Generator[VideoFrame, None, None]:
        try:
            yield from self._by_gpu(path)
        except av.error.FFmpegError as error:
            raise_if_exhausted(error)
            raise BadInput(f"{path.name}: the GPU does not decode it: {error}") from error

    def _decode_by_gpu(self, path: Path) -> Generator[VideoFrame, None, None]:
        hardware = HWAccel("cuda", allow_software_fallback=False)
        for frame in decode_segment(path, threads=1, hardware=hardware, strict=True):
            yield to_pixel_format(frame, self._facts.pix_fmt, self._facts)


def _is_same(one: VideoFrame | None, other: VideoFrame | None) -> bool:
    """Whether two frames are the same picture at the same place."""
    if one is None or other is None or (one.pts, one.format.name) != (other.pts, other.format.name):
        return False
    return one.to_ndarray().tobytes() == other.to_ndarray().tobytes()
