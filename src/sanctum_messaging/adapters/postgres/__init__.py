"""The store of many instances: PostgreSQL, where one advisory lock orders all appends."""
