"""The score of the demo: ten styles as patterns of steps.

A pattern has one character a step and may be several bars long::

    .      rest
    x o    loud and soft hit; a pitched part plays the whole chord
    0-9    tone of the chord, counted upwards through the octaves
    *      next tone of a melody that wanders over the scale
    w      walking bass: a tone of the chord, or one that leads to the next

Everything random is drawn from one seeded generator, in order of time.
"""

from __future__ import annotations

from dataclasses import dataclass

from rtgenre.audio.studio.instruments import DRUM

MAJOR, MINOR, SEVENTH = (0, 4, 7), (0, 3, 7), (0, 4, 7, 10)
MAJOR_7, MINOR_7, NINTH = (0, 4, 7, 11), (0, 3, 7, 10), (0, 4, 10, 14)
DIATONIC, PENTATONIC, BLUE = (0, 2, 4, 5, 7, 9, 11), (0, 3, 5, 7, 10), (0, 3, 5, 6, 7, 10)

Chord = tuple[int, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Part:
    """What one player does.

    Attributes:
        instrument: a key of ``instruments.INSTRUMENTS``.
        pattern: see the module's text.
        gain: loudness, 1 is full.
        base: MIDI note on which the key's tonic lies; ``DRUM`` for drums.
        hold: length of a note in steps.
    """

    instrument: str
    pattern: str
    gain: float
    base: int = DRUM
    hold: float = 1.0


@dataclass(frozen=True, slots=True)
class Style:
    """How a piece of this kind goes.

    Attributes:
        tempo_bpm: slowest and fastest.
        steps_per_beat: 4 for straight sixteenths, 3 for swing and shuffle.
        beats_per_bar: 3 or 4.
        parts: the players.
        progressions: rows of chords, one a bar; a piece picks one row.
        scale: of melodies, in semitones above the tonic.
        room: amount of reverberation, 0 to 1.
        gain: brings the style to the loudness of the others.
    """

    tempo_bpm: tuple[float, float]
    parts: tuple[Part, ...]
    progressions: tuple[tuple[Chord, ...], ...]
    steps_per_beat: int = 4
    beats_per_bar: int = 4
    scale: tuple[int, ...] = PENTATONIC
    room: float = 0.1
    gain: float = 0.3


_TWELVE_BARS = tuple((root, SEVENTH) for root in (0, 5, 0, 0, 5, 5, 0, 0, 7, 5, 0, 7))

STYLES: dict[str, Style] = {
    "disco": Style(
        (116, 124),
        (
            Part("kick", "x...x...x...x...", 0.6),
            Part("hat_open", "..x...x...x...x.", 0.2),
            Part("hat", "x.o.x.o.x.o.x.o.", 0.12),
            Part("clap", "....x.......x...", 0.55),
            Part("electric_bass", "0.3.0.3.0.3.0.3.", 0.4, 33, 1.6),
            Part("strings", "x...............", 0.4, 69, 14),
            Part("skank", "..x..x.x..x..x.x", 0.5, 57),
            Part("brass", "......................x..x......", 0.3, 57, 1.5),
        ),
        (((9, MINOR_7), (2, MINOR_7), (7, SEVENTH), (0, MAJOR_7)), ((0, MINOR_7), (8, MAJOR), (10, MAJOR), (7, MINOR))),
        room=0.15,
        gain=0.5,
    ),
    "classical": Style(
        (66, 80),
        (
            Part("strings", "x...........", 0.32, 60, 11.5),
            Part("strings", "0...........", 0.3, 36, 11.5),
            Part("piano", "024354024354", 0.4, 60, 3),
            Part("strings", "*.....*...*.", 0.3, 76, 5),
        ),
        (
            ((0, MAJOR), (7, MAJOR), (9, MINOR), (4, MINOR), (5, MAJOR), (0, MAJOR), (5, MAJOR), (7, SEVENTH)),
            ((0, MINOR), (8, MAJOR), (3, MAJOR), (10, MAJOR), (5, MINOR), (0, MINOR), (7, MAJOR), (7, SEVENTH)),
        ),
        beats_per_bar=3,
        scale=DIATONIC,
        room=0.6,
        gain=0.32,
    ),
    "metal": Style(
        (150, 172),
        (
            Part("kick_hard", "xxxxxxxxxxxxxxxxx.xxx.xxx.xxx.xx", 0.55),
            Part("snare_hard", "....x.......x...", 0.6),
            Part("crash", "x...............................", 0.3),
            Part("ride", "x.x.x.x.x.x.x.x.", 0.12),
            Part("chug", "0.000.000.000.00", 0.7, 40, 1),
            Part("distorted", "............0...........0...0...", 0.6, 40, 4),
            Part("distorted", "0...............", 0.5, 52, 15.5),
            Part("electric_bass", "0.000.000.000.00", 0.4, 28, 1),
            Part("distorted", "................*.*.*.*.*.*.*.*.", 0.3, 64, 2),
        ),
        (((0, MINOR), (0, MINOR), (1, MAJOR), (0, MINOR)), ((0, MINOR), (8, MAJOR), (10, MAJOR), (0, MINOR))),
        room=0.08,
        gain=0.36,
    ),
    "reggae": Style(
        (70, 78),
        (
            Part("kick_deep", "........x.......", 0.6),
            Part("rim", "........x.....o.", 0.6),
            Part("hat", "x.o.x.o.x.o.x.o.", 0.28),
            Part("skank", "....x.......x...", 1.1, 57),
            Part("organ", "..o.x.o...o.x.o.", 0.45, 57, 0.7),
            Part("sub_bass", "0..02.1...0.....", 0.45, 33, 2.4),
            Part("brass", "....................*..*..*.....", 0.4, 69, 2),
        ),
        (((9, MINOR), (9, MINOR), (7, MAJOR), (7, MAJOR)), ((0, MAJOR), (5, MAJOR), (0, MAJOR), (7, MAJOR))),
        room=0.25,
        gain=0.34,
    ),
    "hiphop": Style(
        (84, 94),
        (
            Part("kick_deep", "x......x..x.....x......x.xx.....", 0.7),
            Part("snare", "....x.......x..o", 0.9),
            Part("hat", "x.x.x.x.x.x.x.xo", 0.3),
            Part("sub_bass", "0......0..0.....", 0.4, 33, 4),
            Part("electric_piano", "x...............", 0.3, 57, 9),
            Part("voice", "*.**..*.*.**.*..", 0.8, 57, 0.9),
        ),
        (
            ((0, MINOR_7), (0, MINOR_7), (5, MINOR_7), (8, MAJOR_7)),
            ((0, MINOR_7), (10, MAJOR), (8, MAJOR_7), (7, MINOR_7)),
        ),
        room=0.08,
        gain=0.34,
    ),
    "country": Style(
        (100, 116),
        (
            Part("kick", "x.......x.......", 0.5),
            Part("brush", "..o.x.o...o.x.o.", 0.14),
            Part("upright_bass", "0.......2.......", 0.7, 36, 6),
            Part("steel", "0231425342312453", 0.45, 60, 3),
            Part("nylon", "....x.......x...", 0.4, 60, 3),
            Part("lead", "*.....*.*...*...", 0.16, 72, 4),
        ),
        (((0, MAJOR), (5, MAJOR), (0, MAJOR), (7, MAJOR)), ((0, MAJOR), (9, MINOR), (5, MAJOR), (7, SEVENTH))),
        scale=(0, 2, 4, 7, 9),
        room=0.15,
        gain=0.6,
    ),
    "jazz": Style(
        (138, 164),
        (
            Part("ride", "x..x.ox..x.o", 0.1),
            Part("hat", "...x.....x..", 0.08),
            Part("brush", "o..o..o..o..", 0.08),
            Part("upright_bass", "w..w..w..w..", 0.8, 36, 2.6),
            Part("piano", "..x.....x...x....x......", 0.35, 57, 1.5),
            Part("brass", "*.**.**.*..*............", 0.45, 69, 1.3),
        ),
        (((2, MINOR_7), (7, NINTH), (0, MAJOR_7), (9, NINTH)), ((0, MAJOR_7), (9, MINOR_7), (2, MINOR_7), (7, NINTH))),
        steps_per_beat=3,
        scale=DIATONIC,
        room=0.2,
        gain=0.5,
    ),
    "rock": Style(
        (118, 132),
        (
            Part("kick", "x.....x.x.x.....", 0.85),
            Part("snare_hard", "....x.......x...", 0.7),
            Part("hat_open", "x.x.x.x.x.x.x.x.", 0.2),
            Part("crunch", "0.0.0.0.0.0.0.0.", 0.55, 45, 2),
            Part("crunch", "0.......0.......", 0.5, 57, 7.5),
            Part("electric_bass", "0.0.0.0.0.0.0.0.", 0.5, 33, 1.8),
            Part("crunch", "................*...*.*.*...*...", 0.35, 64, 3),
            Part("voice", "*...*.*...*.....................", 0.4, 64, 3),
        ),
        (((0, MAJOR), (7, MAJOR), (9, MINOR), (5, MAJOR)), ((0, MAJOR), (10, MAJOR), (5, MAJOR), (0, MAJOR))),
        room=0.15,
        gain=0.38,
    ),
    "blues": Style(
        (84, 98),
        (
            Part("kick", "x.....x..x..", 0.6),
            Part("snare", "...x.....x..", 0.5),
            Part("ride", "x.ox.ox.ox.o", 0.045),
            Part("electric_bass", "0.01.12.23.2", 0.5, 33, 1.2),
            Part("organ", "..x..x..x..x", 0.35, 57, 0.8),
            Part("nylon", "*.**..*..*..*..*.***....", 0.7, 69, 2.5),
        ),
        (_TWELVE_BARS,),
        steps_per_beat=3,
        scale=BLUE,
        room=0.2,
        gain=0.48,
    ),
    "pop": Style(
        (100, 112),
        (
            Part("kick", "x.....x.x.......", 0.55),
            Part("clap", "....x.......x...", 0.7),
            Part("shaker", "o.x.o.x.o.x.o.x.", 0.35),
            Part("electric_bass", "0..0..0.0..0..0.", 0.35, 33, 1.5),
            Part("electric_piano", "x.....x.....x...", 0.32, 60, 4),
            Part("voice", "*.*.*..*..*.*...*.*.*..*........", 0.8, 69, 1.8),
            Part("strings", "x...............", 0.25, 72, 15),
        ),
        (((0, MAJOR), (7, MAJOR), (9, MINOR), (5, MAJOR)), ((9, MINOR), (5, MAJOR), (0, MAJOR), (7, MAJOR))),
        scale=(0, 2, 4, 7, 9),
        room=0.25,
        gain=0.42,
    ),
}
