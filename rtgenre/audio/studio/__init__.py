"""The synthesised band behind the demo source: waves → instruments → styles → band."""
