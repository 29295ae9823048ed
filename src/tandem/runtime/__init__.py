"""The whole wiring of each process on one page each."""
