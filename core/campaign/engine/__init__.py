"""The engine: the scheduler's process, the planner's side of it, and the flow of a campaign between them."""
