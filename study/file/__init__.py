"""The study file: what a person writes, read and checked before anything starts."""
