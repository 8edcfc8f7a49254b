"""PostgreSQL as a system of record: its tables become entities, its changes are followed, writes go back into it.

The Rust core copies and follows (`_core.PostgresFeed`); what is small and seldom (reading the catalog, checking,
writing one row) is done here, by psycopg. docs/sources-postgres.md is for those who operate it.
"""

from haversack_server.connectors.postgres._source import KIND, PostgresSource, connect, own_settings

__all__ = ["KIND", "PostgresSource", "connect", "own_settings"]
