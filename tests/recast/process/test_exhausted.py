"""A machine that has run out of something is told apart from bad input and from a bug, however it says so."""

import errno

import av
import pytest

from recast import names
from recast.errors import BadInput, Transient
from recast.media.ffmpeg import FFmpegFailed
from recast.process import exhausted
from recast.process.exhausted import exhaustion_told, raise_if_exhausted


def by_pyav(number: int) -> Exception:
    with pytest.raises(av.error.FFmpegError) as raised:
        av.error.err_check(-number)
    return raised.value


USED_UP = [
    (OSError(errno.ENOSPC, "No space left on device", "/scratch/a.mkv"), "/scratch/a.mkv: its disk is full"),
    (OSError(errno.EDQUOT, "Disk quota exceeded"), "/var/full: its disk is full"),
    (FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/a']"), "/var/full: its disk is full"),
    (by_pyav(errno.ENOSPC), "/var/full: its disk is full"),
    (FFmpegFailed(1, ["av_interleaved_write_frame(): No space left on device"]), "/var/full: its disk is full"),
    (MemoryError(), "no memory is left"),
    (RuntimeError("can't start new thread"), "no memory is left"),
    (by_pyav(errno.ENOMEM), "no memory is left"),
    (FFmpegFailed(1, ["Cannot allocate memory"]), "no memory is left"),
    (OSError(errno.EMFILE, "Too many open files"), "too many files are open"),
]


@pytest.mark.parametrize(("error", "said"), USED_UP, ids=lambda each: str(each)[:40])
def test_what_is_used_up_is_said(error: Exception, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/var/full")
    with pytest.raises(Transient, match=said) as raised:
        raise_if_exhausted(error)
    assert raised.value.reason == (names.DISK_FULL if "disk" in said else names.EXHAUSTED)


def test_the_place_that_is_written_to_is_named() -> None:
    with pytest.raises(Transient, match="^/out: its disk"):
        raise_if_exhausted(OSError(errno.ENOSPC, "No space left on device", "/tmp/x"), "/out")


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "Input/output error"), FileNotFoundError("x"), by_pyav(errno.EINVAL), ValueError("x")]
)
def test_other_errors_are_not_touched(error: Exception) -> None:
    raise_if_exhausted(error)
    with pytest.raises(type(error)) as raised, exhaustion_told():
        raise error
    assert raised.value is error


def test_a_blocks_own_errors_are_told() -> None:
    with pytest.raises(Transient, match="memory"), exhaustion_told():
        raise MemoryError


@pytest.mark.parametrize("error", [BadInput("does not decode"), IndexError("no streams")])
def test_no_final_verdict_is_given_where_memory_is_short(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(type(error)), exhaustion_told():
        raise error
    monkeypatch.setattr(exhausted, "SHORT_BYTES", 1 << 60)
    with pytest.raises(Transient, match="no memory is left"), exhaustion_told():
        raise error


def test_what_is_tried_again_anyway_keeps_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exhausted, "SHORT_BYTES", 1 << 60)
    with pytest.raises(Transient, match="^a race$"), exhaustion_told():
        raise Transient("a race")
