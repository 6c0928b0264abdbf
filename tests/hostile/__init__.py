"""Malformed inputs by kind, each with what is expected of its command; see hostile_inputs.py."""
