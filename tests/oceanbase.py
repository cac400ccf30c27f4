"""What tests have to know of OceanBase that nothing else has to."""

from sqlalchemy import Connection


def is_oceanbase(connection: Connection) -> bool:
    """It explains statements in a way of its own, counts no rows that it reads, and knows the size
    of what is on its disk only."""
    if connection.dialect.name == "sqlite":
        return False
    return "OceanBase" in str(connection.exec_driver_sql("SELECT VERSION()").scalar_one())
