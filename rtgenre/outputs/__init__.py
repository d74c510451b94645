"""Readers of the one message type."""
