"""The commands, one module each. Exit codes: 0 done, 1 failed, 2 wrong use."""
