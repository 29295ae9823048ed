"""The CNI verbs on the agent's side."""
