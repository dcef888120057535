"""Weighbridge weighs every model on your own traffic, and routes on the evidence."""

from weighbridge import compiled

__version__ = "0.1.0"

compiled.offer()
