"""The command line: `main.py` holds the registry; each command is a module, imported when it is used."""
