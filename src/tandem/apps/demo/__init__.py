"""`make demo`: the shop's story, told while it happens. Every request in it is a real one."""
