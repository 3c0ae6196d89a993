"""The standard plugins, loaded by entry points like a stranger's."""
