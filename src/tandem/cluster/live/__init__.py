"""The controllers from World to World: what each wants written, at the cost of what changed.

What they give equals what the functions of the whole give (`runtime/cluster.py` `control`), after every step of any
sequence of Worlds (`tests/property/test_controllers.py`); as in `translate/live/`, changes are found and never told.
"""
