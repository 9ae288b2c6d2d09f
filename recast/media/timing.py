"""Which packets become frames, in which order, at which time.

Packets whose pts can be trusted need no decoding: the frame list is their sorted pts. That trust is checked on
the head of the stream by a real decode; where it fails (raw streams, AVI, fields in packets of their own,
hidden packets), the whole stream is decoded once and the decoder's own order is the list.

The trick that makes both exact: a packet goes into the decoder with its own number as its pts, so each frame
that comes out says which packet it is.
"""

from __future__ import annotations

from array import array

from recast.errors import MEND_OR_SAY, FramesDamaged
from recast.manifest import VideoFacts
from recast.media.head import read_head
from recast.media.numbered import ONE_FRAME_A_PACKET, OpenSource
from recast.media.times import NO_FRAME, Timing, frame_times
from recast.media.whole import all_keyframes, decode_whole


def read_timing(open_source: OpenSource, name: str, *, mends: bool = False) -> tuple[VideoFacts, Timing]:
    """Find out what the video track is and how its times are to be read.

    Args:
        open_source: opens the source anew, at its beginning.
        name: how errors call the source.
        mends: damage is mended later, and no reason to stop.

    Raises:
        BadInput: nothing of it can be decoded.
        FramesDamaged: a packet does not decode.
    """
    facts, simple, head = read_head(open_source, name, mends=mends)
    return facts, (head.timing() if simple else None) or decode_timing(open_source, facts, name, mends=mends)


def decode_timing(open_source: OpenSource, facts: VideoFacts, name: str, *, mends: bool = False) -> Timing:
    """Make the frame list by one decode of the whole stream.

    Raises:
        FramesDamaged: a packet does not decode, and nothing else tells where its frame belongs.
    """
    one_frame = 1 / (facts.rate * facts.time_base)
    try:
        whole = decode_whole(open_source, name, one_frame)
        if facts.codec in ONE_FRAME_A_PACKET and (lost := whole.without_a_frame()):
            raise FramesDamaged(f"{name}: video packet {lost[0]} gives no frame: {MEND_OR_SAY}")
    except FramesDamaged:
        if not mends:
            raise
        order = all_keyframes(open_source, name, one_frame)
        if order is None:
            raise
        whole = order
    times = frame_times(whole.own, whole.shown, one_frame=one_frame)
    decoded = array("q", [NO_FRAME]) * len(whole.own)
    for rank, index in enumerate(whole.shown):
        decoded[index] = rank
    return Timing(whole.first_key or 0, decoded=decoded, times=array("q", times))
