"""Summaries: the engines, and the service that runs one in a process of its own."""
