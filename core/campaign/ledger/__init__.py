"""The ledger: what has happened, durable before anything acts on it; the one source of truth."""
