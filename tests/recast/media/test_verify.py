"""The check before publishing says of a finished file that is off by a tick, a frame or a packet, in what it is."""

import hashlib
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import pytest

from recast.errors import Corrupt
from recast.manifest import EncodeSettings, Plan, SourceObject, Track, VideoFacts
from recast.media.mux import hash_output_tracks, track_numbers
from recast.media.verify import TrackPackets, read_track_packets, verify_output
from tests.clips import build

VIDEO_CLOCK = Fraction(1, 90000)
SOUND = Track(stream_index=1, kind="audio", codec="aac")


@dataclass(frozen=True)
class Finished:
    """A clip as it would be the output of a job, and what that job knows of it."""

    path: Path
    plan: Plan
    pts: list[int]
    packets_sha256: str
    sound: TrackPackets

    def check(self) -> None:
        output = read_track_packets(self.path.with_suffix(".hashes"), [SOUND])
        verify_output(
            self.path,
            self.plan,
            pts=self.pts,
            packets_sha256=self.packets_sha256,
            source_tracks={SOUND.stream_index: self.sound},
            output_tracks=output,
        )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    path = tmp_path_factory.mktemp("verify") / "clip.mp4"
    path.write_bytes(build("vfr_mp4").read_bytes())
    digest = hashlib.sha256()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base == VIDEO_CLOCK
        packets = [packet for packet in container.demux(stream) if packet.size]
        for packet in packets:
            digest.update(packet)
        pts = sorted(packet.pts for packet in packets if packet.pts is not None)
    facts = VideoFacts(
        stream_index=0, codec="h264", width=192, height=144, pix_fmt="yuv420p", time_base=VIDEO_CLOCK,
        rate=Fraction(25), sar=Fraction(1),
    )  # fmt: skip
    plan = Plan(
        run="r", source=SourceObject(uri=f"file://{path}", etag="e", size=1), container="mp4", video=facts,
        tracks=(SOUND,), inputs={}, segments=1, frames=len(pts), chunks=(0,), first_pts=pts[0],
        start_seconds=Fraction(0),
        encode=EncodeSettings(codec="h264", pix_fmt="yuv420p", quality=1, preset="Auto", threads=1, gop=1),
    )  # fmt: skip
    hashes = path.with_suffix(".hashes")
    tracks = hash_output_tracks(plan, path, track_numbers(plan, path), hashes)
    return Finished(path, plan, pts, digest.hexdigest(), read_track_packets(hashes, tracks)[SOUND.stream_index])


def test_a_file_that_is_as_planned_passes(finished: Finished) -> None:
    finished.check()


@pytest.mark.parametrize("ticks", [1, -1])
def test_a_frame_one_tick_off_is_named(finished: Finished, ticks: int) -> None:
    pts = [*finished.pts]
    pts[7] += ticks
    with pytest.raises(Corrupt, match=rf"frame 7 is {-ticks / 90000:+.6f} s off".replace("+", r"\+")):
        replace(finished, pts=pts).check()


def test_matroskas_milliseconds_are_no_fault_but_more_is(finished: Finished) -> None:
    plan = finished.plan.model_copy(update={"container": "mkv"})
    pts = [*finished.pts]
    pts[7] += 90
    replace(finished, plan=plan, pts=pts).check()
    pts[7] += 1
    with pytest.raises(Corrupt, match=r"frame 7 is -0\.001011 s off"):
        replace(finished, plan=plan, pts=pts).check()


def test_a_missing_frame_and_other_packets_are_named(finished: Finished) -> None:
    plan = finished.plan.model_copy(update={"frames": finished.plan.frames + 1})
    with pytest.raises(Corrupt, match=rf"has {len(finished.pts)} frames, not {len(finished.pts) + 1}"):
        replace(finished, plan=plan, pts=[*finished.pts, finished.pts[-1] + 3600]).check()
    with pytest.raises(Corrupt, match="video packets are not the parts'"):
        replace(finished, packets_sha256="0" * 64).check()


def moved(track: TrackPackets, number: int, ticks: int) -> TrackPackets:
    """A track one of whose packets has another time."""
    pts = track.pts[:]
    pts[number] += ticks
    return replace(track, pts=pts)


def test_sound_may_be_one_tick_of_the_coarsest_clock_off_and_no_more(finished: Finished) -> None:
    sound = finished.sound
    assert sound.time_base > VIDEO_CLOCK, "so the sound's own tick is the coarsest"
    for ticks in (1, -1):
        replace(finished, sound=moved(sound, 9, ticks)).check()
    off = -2 * sound.time_base
    with pytest.raises(Corrupt, match=rf"audio track 1 is {float(off):+.6f} s off against the video"):
        replace(finished, sound=moved(sound, 9, 2)).check()


def test_another_packet_of_sound_is_named(finished: Finished) -> None:
    sound = finished.sound
    digests = sound.digests[:]
    digests[3] ^= 1
    with pytest.raises(Corrupt, match="audio track 1 has other packets"):
        replace(finished, sound=replace(sound, digests=digests)).check()


def test_packets_of_nothing_are_not_among_a_tracks_packets(tmp_path: Path) -> None:
    hashes = tmp_path / "tracks.hashes"
    rows = ["#tb 0: 1/1000", "0, 0, 0, 20, 9, " + "ab" * 32, "0, 20, 20, 0, 0, " + "cd" * 32]
    hashes.write_text("\n".join(rows) + "\n")
    assert list(read_track_packets(hashes, [SOUND])[SOUND.stream_index].pts) == [0]
