"""State -> world. Each folder: port.py (Protocol), plan.py (pure diff), real.py, fake.py."""
