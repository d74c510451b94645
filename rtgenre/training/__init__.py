"""Data sets, training and evaluation; never imported at run time."""
