"""A user's ordinary training function as a trainable."""
