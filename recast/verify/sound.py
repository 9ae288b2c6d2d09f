"""Audio that was encoded again: does it still sound at the same time, and as long?"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from recast.verify.probe import Track
from recast.verify.process import LINES, Media, Running

RATE = 8000
SEARCH = RATE // 2
NEARBY = RATE // 200
CHUNK = 8 * RATE


@dataclass(frozen=True)
class Sound:
    """A decoded track.

    Attributes:
        start: time of its first sample, in seconds on the file's clock.
        samples: mono, 16 bit, at `RATE`.
    """

    start: Fraction
    samples: npt.NDArray[np.int16]

    @property
    def length(self) -> Fraction:
        """Its duration in seconds."""
        return Fraction(len(self.samples), RATE)


def listen(media: Media, track: Track) -> Sound:
    """Decodes a track, gaps as silence."""
    whole = ["-map", f"0:{track.index}", "-f", "framehash", "-hash", "adler32", LINES]
    mono = ["-map", f"0:{track.index}", "-af", "aresample=async=1", "-ac", "1", "-ar", str(RATE)]
    with Running(media, [*whole, *mono, "-f", "s16le", "pipe:1"]) as run:
        data = bytearray()
        while chunk := run.read(1 << 16):
            data += chunk
        run.finish()
        base = next((Fraction(line[7:]) for line in run.lines if line.startswith("#tb 0: ")), Fraction(1))
        first = next((line for line in run.lines if not line.startswith("#")), "0,0,0")
    samples = np.frombuffer(bytes(data[: len(data) // 2 * 2]), np.int16)
    return Sound(int(first.split(",")[2]) * base, samples)


def drift(ours: Sound, theirs: Sound, late: Fraction) -> Fraction | None:
    """Seconds by which the output sounds late, found by correlation; None where it cannot be heard.

    Args:
        ours: the source.
        theirs: the output.
        late: by how much the output's first sample stands later beside the picture.
    """
    found = []
    for begin in range(0, max(len(ours.samples) - CHUNK // 4, 1), CHUNK):
        shift = _lag(ours.samples[begin : begin + CHUNK], theirs.samples[begin : begin + CHUNK])
        if shift is not None:
            found.append(shift)
    if not found:
        return None
    return Fraction(int(np.median(found)), RATE) + late


def _lag(ours: npt.NDArray[np.int16], theirs: npt.NDArray[np.int16]) -> int | None:
    """Samples by which one stretch is behind another, None where they do not say."""
    size = min(len(ours), len(theirs))
    if size < RATE // 4:
        return None
    a, b = (each[:size].astype(np.float64) for each in (ours, theirs))
    if a.std() < 10 or b.std() < 10:
        return None
    length = 1 << (2 * size - 1).bit_length()
    product = np.fft.irfft(np.fft.rfft(b, length) * np.conj(np.fft.rfft(a, length)), length)
    lags = np.concatenate([product[-SEARCH:], product[: SEARCH + 1]])
    best = int(np.argmax(lags))
    if lags[best] < 0.5 * np.sqrt((a * a).sum() * (b * b).sum()):
        return None
    beside = np.concatenate([lags[: max(best - NEARBY, 0)], lags[best + NEARBY + 1 :]])
    if beside.size and beside.max() > 0.95 * lags[best]:
        return None  # a tone looks the same a period later
    return best - SEARCH
