"""From feature vectors to logits, with a state that the caller owns."""
