"""Namespaces whose link another plugin made: look at them, add what capture needs, take it out again."""
