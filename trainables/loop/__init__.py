"""What trainables share when they train: outcomes, steps, checkpoints, augmentation."""
