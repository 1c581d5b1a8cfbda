"""Trials out to other people's tools, and other people's runs in."""
