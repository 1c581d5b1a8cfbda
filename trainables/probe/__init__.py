"""Heads on frozen features, trained in packs."""
