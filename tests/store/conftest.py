"""What every test of the store uses: the databases, and a few rows to begin with."""

from tests.support.databases import (  # noqa: F401 - fixtures are found by name
    database,
    database_url,
    postgresql_copy,
    postgresql_template,
    sqlite_template,
    sqlite_url,
)
