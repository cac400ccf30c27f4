"""Sets of users as they are stored: roaring bitmaps of user numbers, by dimension and value.

The bytes are the portable format of https://github.com/RoaringBitmap/RoaringFormatSpec.
"""

import msgspec
from pyroaring import BitMap

# dimension, value_key -> who was there
UserSets = dict[tuple[str, bytes], BitMap]

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(list[tuple[str, bytes, bytes]]).decode


def encode_sets(sets: UserSets) -> bytes:
    """What `recent_users.sets` holds."""
    return encode([(dimension, key, users.serialize()) for (dimension, key), users in sets.items()])


def decode_sets(encoded: bytes) -> UserSets:
    return {
        (dimension, key): BitMap.deserialize(users) for dimension, key, users in decode(encoded)
    }
