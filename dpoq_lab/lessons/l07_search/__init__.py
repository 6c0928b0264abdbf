"""What lesson 07 needs."""
