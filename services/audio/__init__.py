"""From any file to windows of speech: decode, normalise, resample, detect voices, cut in silence."""
