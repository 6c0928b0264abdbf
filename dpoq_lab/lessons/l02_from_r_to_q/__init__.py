"""What lesson 02 needs."""
