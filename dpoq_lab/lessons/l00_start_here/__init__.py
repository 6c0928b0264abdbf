"""What lesson 00 needs."""
