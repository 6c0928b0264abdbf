"""What lesson 01 needs."""
