"""Exact theory on small trees: float64, numpy alone, no model and no network."""
