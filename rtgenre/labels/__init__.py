"""Labels of one's own: a small head on the model's embedding, learned from a handful of files."""
