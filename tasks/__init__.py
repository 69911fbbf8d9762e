"""Door two: time and the queue. A task takes ids, calls a room, commits, and may run twice."""
