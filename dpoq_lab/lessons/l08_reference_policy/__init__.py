"""What lesson 08 needs."""
