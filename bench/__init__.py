"""campaign against its peers, side by side, each number a ratio measured in the same run."""
