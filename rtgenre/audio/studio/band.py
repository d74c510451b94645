"""The demo's band: plays one piece of a style, a beat at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rtgenre.audio.studio.instruments import DRUM, Orchestra

if TYPE_CHECKING:
    from rtgenre.audio.studio.styles import Part, Style
    from rtgenre.records import FloatArray

LONGEST_NOTE_S = 8.0


class Room:
    """Reverberation by four recirculating delays (Schroeder, J. Audio Eng. Soc. 10(3), 1962), without all-passes.

    Args:
        sample_rate: Hz.
        amount: 0 is dry, 1 is a hall.
    """

    def __init__(self, sample_rate: int, amount: float) -> None:
        delays_s = (0.0297, 0.0371, 0.0411, 0.0437)
        self._tails = [np.zeros(round(s * sample_rate), np.float32) for s in delays_s]
        self._feedback = np.float32(0.55 + 0.3 * amount)
        self._wet = np.float32(0.2 * amount)

    def step(self, x: FloatArray) -> FloatArray:
        """Add the echo of everything played so far: (n,) to (n,)."""
        echo = np.zeros_like(x)
        for i, tail in enumerate(self._tails):
            line = np.concatenate((tail, x))
            # A delay line feeds back on itself one delay later, so it can be worked out a delay at a time.
            for start in range(tail.size, line.size, tail.size):
                end = min(start + tail.size, line.size)
                line[start:end] += self._feedback * line[start - tail.size : end - tail.size]
            # What comes out is the line one delay ago.
            echo += line[: x.size]
            self._tails[i] = line[line.size - tail.size :]
        return x + self._wet * echo


class Band:
    """Plays one piece; belongs to one thread.

    Args:
        style: what to play.
        orchestra: whose notes to use.
        rng: decides key, tempo, chords, melody and all small liberties.
        sample_rate: Hz.
    """

    def __init__(self, style: Style, orchestra: Orchestra, rng: np.random.Generator, sample_rate: int) -> None:
        self._style = style
        self._orchestra = orchestra
        self._rng = rng
        self._rate = sample_rate
        self._step_s = 60.0 / rng.uniform(*style.tempo_bpm) / style.steps_per_beat
        self._key = int(rng.integers(-3, 4))
        self._chords = style.progressions[int(rng.integers(len(style.progressions)))]
        self._melody = [int(rng.integers(-1, 3)) for _ in style.parts]
        self._room = Room(sample_rate, style.room)
        self._ahead = np.zeros(round(LONGEST_NOTE_S * sample_rate), np.float32)
        self._beat = 0
        self._end_s = 0.0

    def next_beat(self) -> FloatArray:
        """The samples of one beat: (n,) float32 in (-1, 1)."""
        style = self._style
        start_s = self._end_s
        for step in range(style.steps_per_beat):
            at_s = step * self._step_s
            for i, part in enumerate(style.parts):
                self._play(i, part, self._beat * style.steps_per_beat + step, at_s)
        self._beat += 1
        self._end_s += self._step_s * style.steps_per_beat
        n = round(self._end_s * self._rate) - round(start_s * self._rate)
        dry = self._ahead[:n].copy()
        self._ahead[:-n] = self._ahead[n:]
        self._ahead[-n:] = 0.0
        # The band is a little louder than full scale allows: bend the peaks instead of cutting them.
        bent: FloatArray = np.tanh(np.float32(self._style.gain) * self._room.step(dry))
        return bent

    def _play(self, index: int, part: Part, step: int, at_s: float) -> None:
        symbol = part.pattern[step % len(part.pattern)]
        if symbol == ".":
            return
        steps_per_bar = self._style.steps_per_beat * self._style.beats_per_bar
        root, chord = self._chords[step // steps_per_bar % len(self._chords)]
        if part.base == DRUM:
            tones = [DRUM]
        elif symbol in "xo":
            tones = [_near(root + tone, 8) for tone in chord]
        elif symbol.isdigit():
            octave, tone = divmod(int(symbol), len(chord))
            tones = [_near(root, 8) + chord[tone] + 12 * octave]
        elif symbol == "w":
            on_one = step % steps_per_bar == 0
            tones = [_near(root, 8) + (0 if on_one else int(self._rng.choice([*chord, chord[-1] + 1, -1])))]
        else:
            tones = [self._wander(index, root, chord)]
            if tones == [_REST]:
                return
        loud = part.gain * (0.55 if symbol == "o" else 1.0) / len(tones) ** 0.5
        late_s = 0.0 if part.base == DRUM else float(self._rng.uniform(0.0, 0.008))
        for tone in tones:
            midi = DRUM if part.base == DRUM else part.base + self._key + tone
            length_ms = DRUM if part.base == DRUM else round(1000 * part.hold * self._step_s)
            note = self._orchestra.play(part.instrument, midi, length_ms)
            start = round((at_s + late_s) * self._rate)
            stop = min(start + note.size, self._ahead.size)
            self._ahead[start:stop] += np.float32(loud * self._rng.uniform(0.85, 1.0)) * note[: stop - start]

    def _wander(self, index: int, root: int, chord: tuple[int, ...]) -> int:
        """Next tone of a melody in semitones above the tonic, or a rest now and then."""
        if self._rng.uniform() < 0.15:
            return _REST
        scale = self._style.scale
        self._melody[index] += int(self._rng.choice([-2, -1, -1, 1, 1, 2]))
        # A melody that strays too far comes home.
        if abs(self._melody[index] - 2) > len(scale):
            self._melody[index] = 2
        octave, degree = divmod(self._melody[index], len(scale))
        if self._rng.uniform() < 0.2:
            return root + int(self._rng.choice(chord))
        return 12 * octave + scale[degree]


_REST = -99


def _near(semitones: int, limit: int) -> int:
    """The same tone in the octave that ends at ``limit``, so that chords lie close together."""
    return semitones - 12 if semitones >= limit else semitones
