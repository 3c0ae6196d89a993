"""Effects: what starts tools, watches them, stops them, and leaves the record of how they ended."""
