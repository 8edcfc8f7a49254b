"""Runs migrations on the connection that the catalog hands over; see `haversack_server.catalog`."""

from alembic import context

from haversack_server.catalog import _tables

context.configure(connection=context.config.attributes["connection"], target_metadata=_tables.metadata)
with context.begin_transaction():
    context.run_migrations()
