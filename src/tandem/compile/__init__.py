"""IR -> state. Pure: whole values in, whole values out; never imports `model`."""
