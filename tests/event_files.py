"""Files of TensorBoard, read without TensorBoard."""

from __future__ import annotations

import struct

from tensorboardX.proto.event_pb2 import Event


def events(path):
    """Read a file of TensorBoard: length, checksum, event, checksum."""
    content, place = path.read_bytes(), 0
    while place < len(content):
        (length,) = struct.unpack_from("<Q", content, place)
        yield Event.FromString(content[place + 12 : place + 12 + length])
        place += length + 16


def scalars(path):
    return {
        (value.tag, event.step): value.simple_value
        for event in events(path)
        for value in event.summary.value
        if value.tag != "words_per_second"
    }
