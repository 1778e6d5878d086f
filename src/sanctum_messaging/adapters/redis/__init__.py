"""Redis or Valkey: what the instances share and may lose at any time. The truth is in the database."""
