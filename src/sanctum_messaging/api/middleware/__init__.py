"""Pure ASGI middleware; ``api/application.create_api`` shows the order."""
