"""sotto's faces: the terminal app and the commands. Both stand on `services`, which know neither."""
