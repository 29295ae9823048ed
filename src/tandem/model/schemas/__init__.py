"""The complete field lists of the served kinds as data, and the rules that a field list cannot say."""
