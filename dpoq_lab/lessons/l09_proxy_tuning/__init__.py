"""What lesson 09 needs."""
