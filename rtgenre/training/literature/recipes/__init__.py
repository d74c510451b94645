"""One file a paper: declarations, and how its networks are put together."""
