"""Malformed inputs by kind, each with what is expected of the command that reads it; see hostile_inputs.py."""
