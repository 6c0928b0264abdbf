"""What is known of a run: its log, its scored tokens, the facts of both, and which cause they speak for."""
