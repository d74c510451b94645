"""From samples to feature vectors, hop by hop."""
