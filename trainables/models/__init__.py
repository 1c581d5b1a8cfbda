"""Backbones by name. The only room with timm and open_clip."""
