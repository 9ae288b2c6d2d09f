"""Damage by chance: what is done to a seed file follows from the campaign's seed and the case's number alone."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.hostilemedia.seeds import boxes, payload

EXTREMES = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFF0, 0x00FFFFFF)
BEHIND_SHARE = 0.75
"""Of the cases, those damaged behind the header."""

Range = tuple[int, int]
Damage = Callable[[random.Random, bytearray, Range, bytes], bytearray]
"""Given the file, the range to damage, and another file."""


@dataclass(frozen=True)
class Case:
    """One damaged file.

    Attributes:
        number: in the campaign.
        seed: name of the file that it was made from.
        kind: what was done.
        behind: whether behind the header.
        data: the damaged bytes.
    """

    number: int
    seed: str
    kind: str
    behind: bool
    data: bytes

    @property
    def suffix(self) -> str:
        """Of the file."""
        return "." + self.seed.rsplit(".", 1)[1]


def flip(chance: random.Random, data: bytearray, where: Range, other: bytes) -> bytearray:
    """Bits are turned over."""
    for _ in range(chance.choice((1, 1, 3, 10, 100))):
        data[chance.randrange(*where)] ^= 1 << chance.randrange(8)
    return data


def noise(chance: random.Random, data: bytearray, where: Range, other: bytes) -> bytearray:
    """A stretch is overwritten by chance."""
    start, end = _stretch(chance, where)
    data[start:end] = chance.randbytes(end - start)
    return data


def blank(chance: random.Random, data: bytearray, where: Range, other: bytes) -> bytearray:
    """A stretch is zeros, or ones."""
    start, end = _stretch(chance, where)
    data[start:end] = bytes([chance.choice((0, 0xFF))]) * (end - start)
    return data


def cut(chance: random.Random, data: bytearray, where: Range, other: bytes) -> bytearray:
    """The file ends early."""
    return data[: chance.randrange(*where)]


def drop(chance: random.Random, data: bytearray, where: Range, other: bytes) -> bytearray:
    """A stretch is missing."""
    start, end = _stretch(chance, where)
    del data[start:end]
    return data


def repeat(chance: random.Random, data: bytearray, where: Range, other: bytes) -> bytearray:
    """A stretch comes twice, or many times: times go back."""
    start, end = _stretch(chance, where)
    data[end:end] = data[start:end] * chance.choice((1, 1, 20))
    return data


def swap(chance: random.Random, data: bytearray, where: Range, other: bytes) -> bytearray:
    """Two stretches change places: times go back."""
    start, end = _stretch(chance, where)
    to = chance.randrange(*where)
    moved = data[start:end]
    del data[start:end]
    data[to:to] = moved
    return data


def lie(chance: random.Random, data: bytearray, where: Range, other: bytes) -> bytearray:
    """A number of 2, 4 or 8 bytes is an extreme one: a size, a count, a time."""
    for _ in range(chance.choice((1, 1, 4))):
        at, order, value = chance.randrange(*where), chance.choice("<>"), chance.choice(EXTREMES)
        kind = chance.choice("HIIQ")
        number = struct.pack(order + kind, value & (0xFFFF if kind == "H" else 2**64 - 1))
        data[at : at + len(number)] = number
    return data


def splice(chance: random.Random, data: bytearray, where: Range, other: bytes) -> bytearray:
    """A stretch is another file's."""
    start, end = _stretch(chance, where)
    at = chance.randrange(max(1, len(other) - (end - start)))
    data[start:end] = other[at : at + end - start]
    return data


def behead(chance: random.Random, data: bytearray, where: Range, other: bytes) -> bytearray:
    """The header is another file's."""
    return bytearray(other[: chance.randrange(1, len(other))]) + data[where[1] :]


def resize(chance: random.Random, data: bytearray, where: Range, other: bytes) -> bytearray:
    """Width and height, wherever they are said in whole bytes, are huge, odd or none."""
    width, height = chance.choice(((0, 0), (1, 1), (65535, 65535), (16384, 16384), (32768, 2), (97, 65), (9000, 9000)))
    for format_ in (">HH", "<HH", ">II", "<II"):
        try:
            data = data.replace(struct.pack(format_, 96, 64), struct.pack(format_, width, height))
        except struct.error:
            continue
    return data


def box(chance: random.Random, data: bytearray, where: Range, other: bytes) -> bytearray:
    """A box of MP4 lies about its size."""
    at = chance.choice(boxes(bytes(data)) or [0])
    data[at : at + 4] = struct.pack(">I", chance.choice(EXTREMES))
    return data


def times(chance: random.Random, data: bytearray, where: Range, other: bytes) -> bytearray:
    """Decode times, presentation offsets and durations of MP4 wrap, stand still or go back."""
    name = chance.choice((b"stts", b"ctts", b"mdhd", b"mvhd", b"tkhd", b"elst", b"trun", b"tfdt"))
    at = data.find(name)
    if at < 0:
        return lie(chance, data, where, other)
    for _ in range(chance.choice((1, 3))):
        place = at + 8 + 4 * chance.randrange(8)
        data[place : place + 4] = struct.pack(">I", chance.choice(EXTREMES))
    return data


BEHIND: tuple[Damage, ...] = (flip, flip, flip, noise, blank, cut, drop, repeat, swap, lie, lie, splice)
HEADER: tuple[Damage, ...] = (flip, flip, noise, cut, drop, lie, lie, lie, splice, behead, resize, box, times, times)


def damaged(seeds: Mapping[str, bytes], seed: int, number: int) -> Case:
    """Case `number` of a campaign."""
    chance = random.Random(f"{seed}-{number}")
    name = chance.choice(sorted(seeds))
    other = seeds[chance.choice(sorted(seeds))]
    data = bytearray(seeds[name])
    behind = chance.random() < BEHIND_SHARE
    start, end = payload(name, seeds[name])
    header = (end, len(data)) if end < len(data) and chance.random() < 0.8 else (0, start)
    damage = chance.choice(BEHIND if behind else HEADER)
    changed = bytes(damage(chance, data, (start, end) if behind else header, other))
    return Case(number, name, damage.__name__, behind, changed)


def _stretch(chance: random.Random, where: Range) -> Range:
    start = chance.randrange(*where)
    return start, min(where[1], start + chance.choice((1, 4, 16, 188, 500, 2000)))
