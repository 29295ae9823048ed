"""Read models, JSON-ready: the command line and the page show the same."""
