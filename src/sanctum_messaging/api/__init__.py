"""The HTTP API: an ASGI application made of a table of routes, and the middleware around it."""
