"""Whether a file is laid out as an ONNX model: by its outermost fields alone. Nothing is loaded, and no runtime needed.

An ONNX file is one protocol buffers message (`ModelProto`), a field after the other up to the file's end: what is cut
off, and what is no model at all, does not come out even or holds no graph.
"""

import io
import os
from typing import BinaryIO

GRAPH = 7
"""The number of ModelProto's field with the graph and its weights."""
VARINT, EIGHT, SPAN, FOUR = 0, 1, 2, 5
"""Kinds of fields that it has."""
LONGEST = 10
"""Bytes of a varint."""


def is_onnx(file: BinaryIO | io.RawIOBase) -> bool:
    """Whether a seekable file, from its start to its end, is an ONNX model."""
    size = file.seek(0, os.SEEK_END)
    at, has_graph = 0, False
    while at < size:
        file.seek(at)
        data = file.read(2 * LONGEST) or b""
        key, used = _varint(data)
        field, kind = key >> 3, key & 7
        value, more = _varint(data[used:]) if kind in (VARINT, SPAN) else (0, 0)
        lengths = {VARINT: more, EIGHT: 8, SPAN: more + value, FOUR: 4}
        if used == 0 or field == 0 or kind not in lengths or lengths[kind] == 0:
            return False
        has_graph |= (field, kind) == (GRAPH, SPAN)
        at += used + lengths[kind]
    return has_graph and at == size


def _varint(data: bytes) -> tuple[int, int]:
    """A number and how many bytes it takes; none where it has no end."""
    number = 0
    for place, byte in enumerate(data[:LONGEST]):
        number |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return number, place + 1
    return 0, 0
