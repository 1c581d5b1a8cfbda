"""LM-CLIP: a whole CLIP model trained by its contrastive loss plus a multi-label loss."""
