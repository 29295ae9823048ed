"""Controllers of the cluster as pure functions: World -> the writes that bring it nearer to what was asked for."""
