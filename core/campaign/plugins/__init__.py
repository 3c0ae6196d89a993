"""Plugins: what they see (``api``), what they implement (``hookspecs``), how they are found (``registry``)."""
