"""The systems of the literature on GTZAN as declarations, and what they are worth on three protocols."""
