"""The ways in which a socket reaches the hub."""
