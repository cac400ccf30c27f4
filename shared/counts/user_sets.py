"""Sets of users as they are stored: roaring bitmaps of user numbers, by dimension and value.

The bytes are the portable format of https://github.com/RoaringBitmap/RoaringFormatSpec.
"""

from collections.abc import Collection, Iterator

import msgspec
from pyroaring import BitMap

# dimension, value_key -> who was there
UserSets = dict[tuple[str, bytes], BitMap]

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(list[tuple[str, bytes, bytes]]).decode


def encode_sets(sets: UserSets) -> bytes:
    """What `recent_users.sets` holds."""
    return encode([(dimension, key, users.serialize()) for (dimension, key), users in sets.items()])


def packed(users: BitMap) -> bytes:
    """What the columns `bitmap` hold. Users who came first together have numbers in a row: that
    makes runs, which take next to nothing."""
    users.run_optimize()
    return users.serialize()


def decode_sets(encoded: bytes) -> UserSets:
    return {
        (dimension, key): BitMap.deserialize(users) for dimension, key, users in decode(encoded)
    }


def sets_of(
    encoded: bytes, dimension: str, keys: Collection[bytes]
) -> Iterator[tuple[bytes, BitMap]]:
    """The sets of some values of one dimension, without making the others."""
    for name, key, users in decode(encoded):
        if name == dimension and key in keys:
            yield key, BitMap.deserialize(users)
