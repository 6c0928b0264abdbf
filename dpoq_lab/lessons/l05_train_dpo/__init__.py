"""What lesson 05 needs."""
