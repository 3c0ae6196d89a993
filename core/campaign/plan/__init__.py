"""From a checked tree to a lazy matrix of runs: pure functions of a snapshot."""
