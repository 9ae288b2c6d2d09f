"""Whether a file ends before its own headers say it does. Demuxers read such files to their end without a word."""

from io import RawIOBase

from av.container import InputContainer

HEAD_BYTES = 4096
EBML_SEGMENT = b"\x18\x53\x80\x67"


def is_truncated(container: InputContainer, file: RawIOBase, size: int) -> bool:
    """Compare what a file says of its length with its length.

    Args:
        container: the file, open for demuxing.
        file: the file itself; it is read from the start.
        size: its length in bytes.
    """
    if "mp4" in container.format.name:
        return any(entry.pos + entry.size > size for stream in container.streams for entry in stream.index_entries)
    file.seek(0)
    declared = declared_size(file.read(HEAD_BYTES) or b"")
    return declared is not None and declared > size


def declared_size(head: bytes) -> int | None:
    """The length that a Matroska (RFC 8794, RFC 9559) or RIFF file declares in its first bytes, where it does."""
    if head[:4] == b"RIFF" and len(head) >= 8:
        riff = int.from_bytes(head[4:8], "little")
        # Writers that cannot seek back leave 0 or all ones.
        return 8 + riff if 0 < riff < 0xFFFFFFFF else None
    if head[:4] != b"\x1a\x45\xdf\xa3":
        return None
    place = head.find(EBML_SEGMENT)
    if place < 0:
        return None
    place += len(EBML_SEGMENT)
    length, width = _ebml_size(head[place : place + 8])
    return None if length is None else place + width + length


def _ebml_size(data: bytes) -> tuple[int | None, int]:
    """A variable-length size and its width (RFC 8794, 4); None where it is unknown (all ones)."""
    if not data or data[0] == 0:
        return None, 0
    width = 9 - data[0].bit_length()
    value = int.from_bytes(data[:width], "big") & ((1 << 7 * width) - 1)
    return (None if value == (1 << 7 * width) - 1 else value), width
