"""The process runtime of one node: Pods -> namespaces and processes, through the CNI plugin as containerd would."""
