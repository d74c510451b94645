"""Every number that defines a feature, and a fingerprint of them all."""
