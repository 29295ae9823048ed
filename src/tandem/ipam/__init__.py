"""Addresses and attachments: pure allocation, and the journal that survives a kill at any point."""
