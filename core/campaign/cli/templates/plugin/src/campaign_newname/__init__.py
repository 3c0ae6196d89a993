"""Replace me: one sentence."""
