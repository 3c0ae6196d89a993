"""Rule sets: what a product line allows.  Not there yet: a spec that names one is checked and not executed."""
