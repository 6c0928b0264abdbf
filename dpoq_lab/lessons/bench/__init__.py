"""How fast this kit is beside its peers: the same work, model and tokens, interleaved in one process."""
