"""How the catalog came to its schema: alembic migrations, run by `haversack_server.catalog`."""
