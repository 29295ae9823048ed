"""Entry points: command line, agent, control."""
