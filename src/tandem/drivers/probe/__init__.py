"""Which packets reach another node whole: real packets that nobody may fragment."""
