"""What becomes of each track in each container, as tables over made-up streams."""

from types import SimpleNamespace
from typing import Any

import pytest
from av.stream import Disposition

from recast.errors import BadInput
from recast.manifest import Track
from recast.media.tracks import plan_tracks
from recast.names import UNSUPPORTED_TRACKS
from recast.spec import Audio, Output


def stream(
    type_: str,
    codec: str | None,
    *,
    extradata: bytes | None = b"x",
    disposition: int = 0,
    rate: int = 48000,
    **metadata: str,
) -> Any:
    context = codec and SimpleNamespace(
        codec=SimpleNamespace(canonical_name=codec), extradata=extradata, sample_rate=rate
    )
    return SimpleNamespace(
        type=type_, codec_context=context, name=codec, disposition=Disposition(disposition), metadata=metadata
    )


class Source:
    """Video is stream 0, the others follow."""

    def __init__(self, *others: Any, chapters: bool = False, format_: str = "matroska,webm") -> None:
        self.streams = [stream("video", "h264"), *others]
        for index, own in enumerate(self.streams):
            own.index = index
        self.format = SimpleNamespace(name=format_)
        self._chapters: list[Any] = [{}] if chapters else []

    def chapters(self) -> list[Any]:
        return self._chapters


def plan(source: Source, container: str, *, drop: tuple[str, ...] = (), audio: str = "Copy") -> tuple[Track, ...]:
    output = Output(uri=f"s3://bucket/out.{container}", drop_tracks=drop)
    return plan_tracks(source, 0, output, Audio(codec=audio), "clip")  # type: ignore[arg-type]


def one(other: Any, container: str, **more: Any) -> Track:
    (track,) = plan(Source(other), container, **more)
    return track


COVER = int(Disposition.attached_pic)
# Type, codec, disposition; what becomes of it in .mp4, .mov, .mkv: C copied, T converted text, - refused.
TRACKS = [
    ("audio", "aac", 0, "CCC"),
    ("audio", "opus", 0, "C-C"),
    ("audio", "flac", 0, "C-C"),
    ("audio", "vorbis", 0, "C-C"),
    ("audio", "ac3", 0, "CCC"),
    ("audio", "truehd", 0, "--C"),
    ("audio", "dts", 0, "CCC"),
    ("audio", "amr_nb", 0, "-CC"),
    ("audio", "adpcm_ms", 0, "--C"),
    ("audio", "nellymoser", 0, "---"),
    ("audio", "s302m", 0, "---"),
    ("audio", "pcm_bluray", 0, "---"),
    ("audio", "pcm_s8", 0, "-C-"),
    ("audio", "pcm_f32be", 0, "CC-"),
    ("audio", "alac", 0, "CCC"),
    ("audio", "pcm_s16le", 0, "CCC"),
    ("audio", "pcm_s24be", 0, "CCC"),
    ("audio", "pcm_u8", 0, "-CC"),
    ("audio", "adpcm_ima_qt", 0, "-C-"),
    ("audio", "wmav2", 0, "--C"),
    ("subtitle", "mov_text", 0, "CCT"),
    ("subtitle", "eia_608", 0, "-C-"),
    ("subtitle", "subrip", 0, "TTC"),
    ("subtitle", "text", 0, "TTT"),
    ("subtitle", "webvtt", 0, "TTC"),
    ("subtitle", "ass", 0, "--C"),
    ("subtitle", "dvd_subtitle", 0, "C-C"),
    ("subtitle", "hdmv_pgs_subtitle", 0, "--C"),
    ("subtitle", "dvb_subtitle", 0, "--C"),
    ("attachment", "ttf", 0, "--C"),
    ("video", "mjpeg", COVER, "C-C"),
    ("video", "png", COVER, "C-C"),
    ("video", "webp", COVER, "--C"),
    ("video", "hevc", 0, "CCC"),
    ("video", "vp9", 0, "--C"),
]
LETTERS = {"C": "Copy", "T": "Convert"}


@pytest.mark.parametrize(("type_", "codec", "disposition", "fates"), TRACKS)
@pytest.mark.parametrize(("place", "container"), list(enumerate(("mp4", "mov", "mkv"))))
def test_a_track_is_copied_converted_or_refused(
    type_: str, codec: str, disposition: int, fates: str, place: int, container: str
) -> None:
    other = stream(type_, codec, disposition=disposition)
    if fates[place] != "-":
        assert one(other, container).action == LETTERS[fates[place]]
        return
    with pytest.raises(BadInput) as refused:
        one(other, container)
    error = str(refused.value)
    assert refused.value.reason == UNSUPPORTED_TRACKS
    assert f".{container} cannot hold" in error and codec in error and "track 1" in error and "dropTracks" in error
    able = [name for name, fate in zip(("mp4", "mov", "mkv"), fates, strict=True) if fate != "-"]
    assert not able or any(f"use .{name}" in error for name in able), "the refusal names a container that can"
    assert ("audio.codec Aac" in error) == (type_ == "audio"), "sound may be encoded instead"


def test_a_track_that_may_be_dropped_is_dropped_only_where_it_cannot_be_held() -> None:
    pgs = stream("subtitle", "hdmv_pgs_subtitle")
    dropped = one(pgs, "mp4", drop=("subtitle",))
    assert dropped.action == "Drop" and dropped.reason
    assert one(pgs, "mkv", drop=("subtitle",)).action == "Copy"


def test_subtitles_of_dvds_go_into_mp4_where_the_source_says_how_long_they_stand() -> None:
    pictures = stream("subtitle", "dvd_subtitle")
    with pytest.raises(BadInput, match="use .mkv"):
        plan(Source(pictures, format_="mpeg"), "mp4")
    assert plan(Source(pictures, format_="mpeg"), "mkv")[0].action == "Copy"


@pytest.mark.parametrize("audio", ["Copy", "Aac"])
def test_sound_of_which_nothing_is_known_is_left_out(audio: str) -> None:
    unseen = one(stream("audio", "ac3", rate=0), "mp4", audio=audio)
    assert unseen.action == "Drop" and unseen.reason


def test_dropping_one_kind_does_not_drop_another() -> None:
    source = Source(stream("subtitle", "ass"), stream("attachment", "ttf"))
    with pytest.raises(BadInput, match=r"attachment track 2 \(ttf\).*dropTracks attachment") as refused:
        plan(source, "mp4", drop=("subtitle",))
    assert "subtitle" not in str(refused.value)


def test_a_refusal_names_no_container_where_none_can_hold_all() -> None:
    source = Source(stream("audio", "adpcm_ima_qt"), stream("subtitle", "ass"))
    with pytest.raises(BadInput) as refused:
        plan(source, "mp4")
    assert "use ." not in str(refused.value) and "dropTracks audio,subtitle" in str(refused.value)


@pytest.mark.parametrize("container", ["mp4", "mov", "mkv"])
def test_audio_is_encoded_where_that_was_asked_for_even_if_the_container_could_not_hold_it(container: str) -> None:
    assert one(stream("audio", "wmav2"), container, audio="Aac").action == "Encode"
    assert one(stream("audio", "aac"), container, audio="Aac").action == "Encode"
    assert one(stream("subtitle", "subrip"), container, audio="Aac").action != "Encode"


@pytest.mark.parametrize("container", ["mp4", "mov", "mkv"])
def test_data_is_the_containers_own_or_left_out_with_the_reason(container: str) -> None:
    timecode = one(stream("data", None, timecode="01:00:00:00"), container)
    assert (timecode.action, timecode.reason) == ("Container", "timecode")
    (chapters,) = plan(Source(stream("data", "bin_data"), chapters=True), container)
    assert (chapters.action, chapters.reason) == ("Container", "chapters")
    mebx = one(stream("data", "mebx"), container)
    assert mebx.action == "Drop" and mebx.reason


@pytest.mark.parametrize("container", ["mp4", "mov", "mkv"])
def test_aac_without_a_configuration_record_gets_one(container: str) -> None:
    assert one(stream("audio", "aac", extradata=None), container).bitstream_filter == "aac_adtstoasc"
    assert one(stream("audio", "aac"), container).bitstream_filter is None
    assert one(stream("audio", "mp3", extradata=None), container).bitstream_filter is None


def test_language_title_and_file_name_are_kept() -> None:
    track = one(stream("audio", "aac", language="deu", title="Kommentar"), "mkv")
    assert (track.language, track.title) == ("deu", "Kommentar")
    assert one(stream("attachment", "ttf", filename="a.ttf"), "mkv").title == "a.ttf"


def test_the_video_itself_is_no_track_and_the_others_keep_their_order() -> None:
    source = Source(stream("audio", "aac"), stream("subtitle", "subrip"), stream("audio", "ac3"))
    assert [track.stream_index for track in plan(source, "mkv")] == [1, 2, 3]


def test_a_track_whose_codec_is_unknown_is_named_by_its_tag() -> None:
    other = SimpleNamespace(
        type="data", codec_context=None, name=None, codec_tag="mebx", disposition=Disposition(0), metadata={}
    )
    assert one(other, "mov").codec == "mebx"
