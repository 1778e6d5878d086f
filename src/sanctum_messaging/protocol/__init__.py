"""The wire: frames, resources, requests and codes of ``sanctum.v1``, for server and client. No I/O happens here."""
