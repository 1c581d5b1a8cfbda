"""The loss that the LM-CLIP paper trains: CLIP's contrastive loss plus a multi-label loss."""
