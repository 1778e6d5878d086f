"""The chat page of ``--dev``: what a stranger sees in the first minute, and an example of a client in a browser."""
