"""One file a command of the command line; ``cli.py`` parses, these do."""
