"""Weighbridge weighs every model on your own traffic, and routes on the evidence."""

__version__ = "0.1.0"
