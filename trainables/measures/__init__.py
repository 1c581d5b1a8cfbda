"""What is measured of a trained trial."""
