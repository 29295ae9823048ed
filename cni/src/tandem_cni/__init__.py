"""The CNI executable: a courier from the runtime to the node's agent. Standard library only."""
