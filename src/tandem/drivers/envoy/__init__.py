"""The node's Envoy: its bootstrap, its process and its admin interface. Configuration comes by xDS."""
