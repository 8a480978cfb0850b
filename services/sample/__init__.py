"""The sample meeting that ships with sotto."""
