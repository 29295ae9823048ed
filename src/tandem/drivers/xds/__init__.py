"""Delta xDS for both hops, control <-> agent <-> Envoy: sans-IO sessions, and the sockets around them."""
