"""Streaming evaluation: the live pipeline over a data set, and what its answers are worth."""
