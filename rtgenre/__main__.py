"""``python -m rtgenre`` is the ``rtgenre`` command."""

from rtgenre.cli import main

if __name__ == "__main__":
    main()
