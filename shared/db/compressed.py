"""Tables that are created compressed, where the server can: what is large, and stays."""

from typing import Any

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateTable

from shared.db.dialects import dialect_of

# For such a table: `Table(..., info=COMPRESSED)`.
COMPRESSED = {"is_compressed": True}


@compiles(CreateTable)
def create_table(element: CreateTable, compiler: Any, **options: Any) -> str:
    statement = str(compiler.visit_create_table(element, **options))
    words = dialect_of(compiler.dialect).compression
    if words and element.element.info.get("is_compressed"):
        return f"{statement.rstrip()} {words}\n\n"
    return statement
