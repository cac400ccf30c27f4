"""Types of columns for which each database has its own."""

from abc import abstractmethod
from typing import Any, TypeVar

from sqlalchemy import BigInteger, LargeBinary, String, Text
from sqlalchemy import Dialect as CoreDialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from shared.db.dialect import Dialect
from shared.db.dialects import dialect_of

T = TypeVar("T")


class OwnType(TypeDecorator[T]):
    """`impl` is what it is to Python; `own` is what it is to the database."""

    @abstractmethod
    def own(self, dialect: Dialect) -> TypeEngine[Any]: ...

    def load_dialect_impl(self, dialect: CoreDialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(self.own(dialect_of(dialect)))


class ExactText(OwnType[str]):
    """Text of so many characters at most that compares byte for byte, trailing spaces included."""

    impl = String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def own(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.exact_text(self.length)


class LongText(OwnType[str]):
    impl = Text
    cache_ok = True

    def own(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.long_text()


class KeyBytes(OwnType[bytes]):
    """Exactly so many bytes, which may be part of a key."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length

    def own(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.key_bytes(self.length)


class LongBytes(OwnType[bytes]):
    impl = LargeBinary
    cache_ok = True

    def own(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.long_bytes()


class BigId(OwnType[int]):
    """A number that the database gives out by itself."""

    impl = BigInteger
    cache_ok = True

    def own(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.big_id()
