"""Configurations and the loop."""
