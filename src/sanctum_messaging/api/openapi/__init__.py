"""The OpenAPI 3.1 document, made of the routes and the types that validate."""
