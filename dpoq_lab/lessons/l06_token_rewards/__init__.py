"""What lesson 06 needs."""
