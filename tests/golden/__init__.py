"""Results kept from earlier runs, and what made them."""
