"""The queue on a virtual clock: the real daemon over simulated processes, from one seed."""
