"""Alembic revisions of the database that app/store describes."""
