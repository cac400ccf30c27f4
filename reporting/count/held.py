"""What a process keeps of what it has read, up to a size; what was used last is kept longest."""

from collections import OrderedDict
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Held(Generic[K, V]):
    """Values that nobody changes, so that all threads may use them; together of at most
    `most_bytes`, as whoever keeps them says."""

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.bytes = 0
        self.values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self.lock = Lock()

    def find(self, key: K) -> V | None:
        with self.lock:
            if key not in self.values:
                return None
            self.values.move_to_end(key)
            return self.values[key][0]

    def keep(self, key: K, value: V, size_bytes: int) -> None:
        with self.lock:
            _, before = self.values.pop(key, (None, 0))
            self.values[key] = value, size_bytes
            self.bytes += size_bytes - before
            while self.bytes > self.most_bytes:
                _, (_, gone) = self.values.popitem(last=False)
                self.bytes -= gone
