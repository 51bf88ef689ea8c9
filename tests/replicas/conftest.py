"""Databases that several processes share."""

from tests.support.databases import (  # noqa: F401 - fixtures are found by name
    postgresql_copy,
    postgresql_template,
)
