"""PNG and JPEG before they are decoded: what size they claim, and whether they are whole.

The layouts are those of the PNG specification (W3C, 5 and 11.2) and of ITU-T T.81, annex B.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # by colour type; a palette holds colours
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_START_OF_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN = 0xDA


@dataclass(frozen=True)
class ImageHeader:
    """What an encoded image says of itself.

    Attributes:
        width: columns.
        height: rows.
        channels: 1 = grey, 2 = grey with alpha, 3 = colours, 4 = colours with alpha.
        bits: of one channel.
    """

    width: int
    height: int
    channels: int
    bits: int


def read_header(content: bytes) -> ImageHeader | None:
    """Header of a PNG or JPEG; ``None`` if it is neither or ends before its header does."""
    if content.startswith(_PNG_START) and len(content) >= 26:
        width, height, bits, colour_type = struct.unpack_from(">IIBB", content, 16)
        return ImageHeader(width, height, _PNG_CHANNELS.get(colour_type, 0), bits)
    for marker, at in _jpeg_segments(content):
        if marker in _START_OF_FRAME and at + 8 <= len(content):
            bits, height, width, channels = struct.unpack_from(">BHHB", content, at + 2)
            return ImageHeader(width, height, channels, bits)
    return None


def is_whole(content: bytes) -> bool:
    """False for a PNG or JPEG that was cut off, and for a PNG that was changed.

    Decoders of OpenCV 4 return such an image as if it were whole, the missing part grey. Other
    formats are True: their decoders must tell.
    """
    if content.startswith(_PNG_START):
        return _is_whole_png(content)
    if not content.startswith(_JPEG_START):
        return True
    # Only behind the start of the scan: a thumbnail in front of it has an end of its own.
    scan = next((at for marker, at in _jpeg_segments(content) if marker == _START_OF_SCAN), None)
    return scan is not None and content.find(_JPEG_END, scan) >= 0


def _is_whole_png(content: bytes) -> bool:
    position = len(_PNG_START)
    while position + 12 <= len(content):  # a chunk: length, type, data, CRC of type and data
        length = int.from_bytes(content[position : position + 4], "big")
        end = position + 8 + length
        checksum = int.from_bytes(content[end : end + 4], "big")
        if end + 4 > len(content) or zlib.crc32(content[position + 4 : end]) != checksum:
            return False
        if content[position + 4 : position + 8] == b"IEND":
            return True
        position = end + 4
    return False


def _jpeg_segments(content: bytes) -> Iterator[tuple[int, int]]:
    """Markers of a JPEG up to the first scan, and where the segment behind each begins."""
    if not content.startswith(_JPEG_START):
        return
    at = len(_JPEG_START)
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        yield marker, at + 2
        if marker == _START_OF_SCAN:
            return
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
