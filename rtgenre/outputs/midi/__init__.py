"""MIDI out and in: notes for decisions, controls for probabilities; in a process of its own."""

from rtgenre.outputs.midi.apart import MidiOutput

__all__ = ["MidiOutput"]
