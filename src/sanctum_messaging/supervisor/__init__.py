"""Several processes that serve one address: started, watched, asked for their metrics and stopped together."""
