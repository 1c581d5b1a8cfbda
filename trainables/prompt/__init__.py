"""Prompt tuning: context learned before the class names, both encoders of a CLIP model frozen."""
