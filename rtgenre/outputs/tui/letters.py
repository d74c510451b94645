"""Large letters: a 5-dot-high font set in half blocks, three lines a word."""

from __future__ import annotations

_FONT = {
    "A": "010 101 111 101 101",
    "B": "110 101 110 101 110",
    "C": "011 100 100 100 011",
    "D": "110 101 101 101 110",
    "E": "111 100 110 100 111",
    "F": "111 100 110 100 100",
    "G": "0111 1000 1011 1001 0111",
    "H": "101 101 111 101 101",
    "I": "1 1 1 1 1",
    "J": "001 001 001 101 010",
    "K": "1001 1010 1100 1010 1001",
    "L": "100 100 100 100 111",
    "M": "10001 11011 10101 10001 10001",
    "N": "1001 1101 1011 1001 1001",
    "O": "0110 1001 1001 1001 0110",
    "P": "110 101 110 100 100",
    "Q": "0110 1001 1001 1011 0111",
    "R": "110 101 110 101 101",
    "S": "011 100 010 001 110",
    "T": "111 010 010 010 010",
    "U": "1001 1001 1001 1001 0110",
    "V": "101 101 101 101 010",
    "W": "10001 10001 10101 11011 10001",
    "X": "101 101 010 101 101",
    "Y": "101 101 010 010 010",
    "Z": "111 001 010 100 111",
    "-": "000 000 111 000 000",
    "&": "0100 1010 0101 1010 0111",
    ".": "0 0 0 0 1",
    "0": "010 101 101 101 010",
    "1": "01 11 01 01 01",
    "2": "110 001 010 100 111",
    "3": "110 001 010 001 110",
    "4": "101 101 111 001 001",
    "5": "111 100 110 001 110",
    "6": "011 100 110 101 010",
    "7": "111 001 010 010 010",
    "8": "010 101 010 101 010",
    "9": "010 101 011 001 110",
    " ": "00 00 00 00 00",
}
_HALF_BLOCKS = {("0", "0"): " ", ("1", "0"): "▀", ("0", "1"): "▄", ("1", "1"): "█"}


def large(text: str, width: int) -> list[str] | None:
    """A word in large letters: three strings of equal length.

    Args:
        text: what to write.
        width: cells there are.

    Returns:
        None where a letter is missing in the font or the word is too long.
    """
    letters = [_FONT.get(c) for c in text.upper().replace("_", " ")]
    dots = [""] * 6
    for letter in letters:
        if letter is None:
            return None
        rows = letter.split()
        # A row of blank dots above sets the letters on the base line of the third line.
        for i, row in enumerate(("0" * len(rows[0]), *rows)):
            dots[i] += row + "0"
    lines = ["".join(_HALF_BLOCKS[pair] for pair in zip(dots[i], dots[i + 1], strict=True)) for i in (0, 2, 4)]
    return lines if len(lines[0]) <= width + 1 else None
