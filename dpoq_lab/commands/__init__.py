"""What stands behind `dpoq-lab`."""
