"""Lesson 14: runs with a known cause, and how often the diagnosis finds it."""
