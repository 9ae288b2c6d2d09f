"""Files under a video's name that name another file or a URL: playlists, scripts, and containers with references."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

from tests import clips

SUFFIXES = {"hls": ".m3u8", "dash": ".mpd", "sdp": ".sdp", "asx": ".asx", "imf": ".xml", "vobsub": ".idx"}
"""Some demuxers look at the name, too."""

Pointer = Callable[[Path, str], bytes]
"""Gives the file's bytes from a path and a URL that it is to name."""

POINTERS: dict[str, Pointer] = {
    "hls_file": lambda path, url: _hls(f"file://{path}"),
    "hls_plain_path": lambda path, url: _hls(str(path)),
    "hls_url": lambda path, url: _hls(url),
    "hls_key": lambda path, url: _hls(url, f'#EXT-X-KEY:METHOD=AES-128,URI="{url}"\n'),
    "hls_map": lambda path, url: _hls(f"file://{path}", f'#EXT-X-MAP:URI="{url}"\n'),
    "hls_of_playlists": lambda path, url: f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{url}\n".encode(),
    "concat_file": lambda path, url: f"ffconcat version 1.0\nfile 'file:{path}'\n".encode(),
    "concat_url": lambda path, url: f"ffconcat version 1.0\nfile '{url}'\n".encode(),
    "dash": lambda path, url: _dash(url),
    "imf": lambda path, url: _imf(url),
    "sdp": lambda path, url: _sdp(url),
    "asx": lambda path, url: f'<ASX version="3.0"><Entry><Ref href="{url}"/></Entry></ASX>'.encode(),
    "smil": lambda path, url: f'<smil><body><video src="{url}"/></body></smil>'.encode(),
    "ram": lambda path, url: f"{url}\nfile://{path}\n".encode(),
    "avisynth": lambda path, url: f'FFmpegSource2("{path}")\n'.encode(),
    "vobsub_index": lambda path, url: f"# VobSub index file, v7\n# {path}\nlangidx: 0\nid: en, index: 0\n".encode(),
    "ffmetadata": lambda path, url: b";FFMETADATA1\ntitle=none\n",
    "mov_reference": lambda path, url: mov_reference(path),
    "mov_pointing": lambda path, url: _mov_pointing(url),
    "avi_subtitles": lambda path, url: _avi_subtitles(url),
    "hls_behind_a_header": lambda path, url: b"\n\n" + _hls(f"concat:file://{path}|{url}"),
}


def write_pointer(name: str, folder: Path, path: Path, url: str) -> Path:
    """The file of a pointer, by the suffix that its kind has."""
    file = folder / f"{name}{SUFFIXES.get(name.split('_')[0], '.mp4')}"
    file.write_bytes(POINTERS[name](path, url))
    return file


def _hls(uri: str, more: str = "") -> bytes:
    head = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:3\n#EXT-X-MEDIA-SEQUENCE:0\n"
    return f"{head}{more}#EXTINF:3.0,\n{uri}\n#EXT-X-ENDLIST\n".encode()


def _dash(url: str) -> bytes:
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT3S"'
        ' profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet mimeType="video/mp4">'
        f'<Representation id="1" bandwidth="1" codecs="avc1"><BaseURL>{url}</BaseURL></Representation>'
        "</AdaptationSet></Period></MPD>"
    ).encode()


def _imf(url: str) -> bytes:
    return (
        '<?xml version="1.0"?><CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016">'
        f"<Id>urn:uuid:00000000-0000-0000-0000-000000000000</Id><ContentTitle>{url}</ContentTitle>"
        "</CompositionPlaylist>"
    ).encode()


def _sdp(url: str) -> bytes:
    port = url.split(":")[2].split("/")[0]
    return f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n".encode()


def mov_reference(path: Path) -> bytes:
    """An MP4 whose data reference is an alias of another file (QuickTime File Format, data reference atoms)."""
    # 10 bytes, the volume's name in 28, 12 more, the file's name in 64, 16 more, two levels, 16 more, then records.
    # One level up from either file: the other one lies beside this one.
    levels = struct.pack(">HH", 1, 1)
    alias = bytes(10) + b"\x06volume".ljust(28, b"\0") + bytes(12)
    alias += bytes([len(path.name)]) + path.name.encode().ljust(63, b"\0") + bytes(16) + levels + bytes(16)
    name = str(path).encode()
    for kind, text in ((2, name), (18, name)):
        alias += struct.pack(">HH", kind, len(text)) + text + (b"\0" if len(text) % 2 else b"")
    return _with_data_reference(b"alis", alias + b"\xff\xff\0\0")


def _mov_pointing(url: str) -> bytes:
    return _with_data_reference(b"url ", url.encode() + b"\0")


def _with_data_reference(kind: bytes, data: bytes) -> bytes:
    """A whole MP4, its index behind its media, whose first track's samples are said to be elsewhere."""
    whole = bytearray(clips.build("no_audio").read_bytes())
    assert whole.find(b"mdat") < whole.find(b"moov")
    at = whole.find(b"dref") + 4 + 8
    entry = struct.pack(">I", 12 + len(data)) + kind + bytes(4) + data
    grown = len(entry) - 12
    whole[at : at + 12] = entry
    for box in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        place = whole.find(box) - 4
        size = struct.unpack(">I", whole[place : place + 4])[0]
        whole[place : place + 4] = struct.pack(">I", size + grown)
    return bytes(whole)


def _avi_subtitles(url: str) -> bytes:
    """A playlist as the subtitles of an AVI (GAB2), which FFmpeg opens as a file of their own."""
    text = _hls(url)
    body = b"GAB2\0" + struct.pack("<HI", 2, 2) + b"\0\0" + struct.pack("<HI", 4, len(text)) + text
    strh = b"txts" + bytes(16) + struct.pack("<II", 1, 1) + bytes(4) + struct.pack("<I", 1) + bytes(20)
    strl = b"strl" + _chunk(b"strh", strh) + _chunk(b"strf", bytes(4))
    avih = struct.pack("<14I", 40000, 0, 0, 16, 1, 0, 1, 0, 16, 16, 0, 0, 0, 0)
    hdrl = b"hdrl" + _chunk(b"avih", avih) + _chunk(b"LIST", strl)
    movi = b"movi" + _chunk(b"00tx", body)
    return _chunk(b"RIFF", b"AVI " + _chunk(b"LIST", hdrl) + _chunk(b"LIST", movi))


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
