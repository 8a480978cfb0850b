"""Which engines and models there are."""
