"""Measurements of this machine: stages, start-up, and the way from the ring to another process."""
