"""Pure ASGI middleware, from the outside in: request id, security headers, CORS, problems, body limit."""
