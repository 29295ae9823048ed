"""Tandem: a CNI and a service mesh made for each other."""
