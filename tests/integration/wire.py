# SPDX-License-Identifier: BSD-2-Clause
"""Encodes the parts of the protocol buffers wire format that the tests' profiles need."""


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field, value):
    return varint(field << 3) + varint(value)


def nested(field, data):
    return varint(field << 3 | 2) + varint(len(data)) + data
