"""What sotto takes of this machine's memory, measured."""
