"""From a study to its trials: pure, the same list every time."""
