"""Meetings on disk: one folder each, readable without sotto."""
