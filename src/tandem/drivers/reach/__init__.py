"""Whether packets get from one network namespace to another: a worker in each, and who leads them."""
