"""From logits to a decision that people can rely on."""
