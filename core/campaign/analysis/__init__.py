"""What many runs say together: counts, rates with their intervals, failures by cause; pure over ledger rows."""
