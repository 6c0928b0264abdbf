"""Search over the tokens of a reply, and generation; any next-token scorer will do."""
