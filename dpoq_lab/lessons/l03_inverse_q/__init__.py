"""What lesson 03 needs."""
