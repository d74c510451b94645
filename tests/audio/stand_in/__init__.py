"""Found by the capture child in place of the real sounddevice."""
