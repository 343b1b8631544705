"""Where clips for training come from."""
