"""The node's BGP speaker: BIRD, told what to say and whom to believe; it puts routes into the kernel by itself."""
