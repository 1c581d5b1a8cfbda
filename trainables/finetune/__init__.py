"""A whole timm model trained end to end, one trial after the other."""
