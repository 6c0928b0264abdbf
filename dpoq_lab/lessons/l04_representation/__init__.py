"""What lesson 04 needs."""
