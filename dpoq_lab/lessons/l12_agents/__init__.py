"""Lesson 12: agents that call a tool, and what it costs not to mask what the tool said."""
