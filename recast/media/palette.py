"""The colours of pictures that are indices into a palette: a container hands it over once, beside a packet."""

from __future__ import annotations

from av.packet import Packet, PacketSideData
from av.video.stream import VideoStream

from recast.errors import BadInput


class Palette:
    """Gives a track's palette to all of its packets, any of which may begin a segment.

    Args:
        name: how errors call the source.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._colours: PacketSideData | None = None

    def complete(self, packet: Packet[VideoStream]) -> None:
        """Lay the palette beside a packet.

        Raises:
            BadInput: it is another than before: a segment has one.
        """
        if packet.has_sidedata("palette"):
            colours = packet.get_sidedata("palette")
            if self._colours is not None and bytes(colours) != bytes(self._colours):
                raise BadInput(f"{self._name}: its palette changes on the way: cut the source there first")
            self._colours = colours
        elif self._colours is not None:
            packet.set_sidedata(self._colours)
