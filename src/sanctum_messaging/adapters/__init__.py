"""The implementations of the ports; only ``bootstrap`` knows them."""
