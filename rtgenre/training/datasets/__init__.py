"""Data sets behind one interface: a file of spectra, a folder of sound per label, FMA's layout."""
