"""Where state enters: the API server's watch, or a directory of files."""
