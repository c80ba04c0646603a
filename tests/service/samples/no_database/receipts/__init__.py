"""Reads receipts and adds them up."""

__version__ = "1.4"
