"""What Vedette remembers: the only place that knows SQL. SQLite (WAL) and PostgreSQL, the same code for both."""
