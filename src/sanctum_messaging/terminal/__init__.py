"""The commands of ``sanctum`` that are clients: ``chat``, ``send`` and ``tail``."""
