"""Live delivery with lossless resume: the hub tails the whole log and writes to its connections (docs/walk.md).

From the outside in: ``endpoints`` (the socket), ``connection`` (its tasks), ``dialogue`` (what the client says),
``delivery`` (what it is sent: one position, live or catching up), ``catch_up`` (pages), ``ring`` and ``users`` (what
the hub remembers of the log and of who sees it), ``log_tail`` (how it learns of new events), ``hub`` (all of it
together).
"""
