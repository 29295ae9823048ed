"""The agent's side of a pod's network: ADD, DEL, CHECK, GC, STATUS for `tandem-cni`, and DNS for the pods."""
