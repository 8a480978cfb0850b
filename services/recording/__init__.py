"""The recorder: a process of its own, from PortAudio to chunks on disk."""
