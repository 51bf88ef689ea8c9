"""Background work: claiming tasks, heartbeats, resuming polls, delivering webhooks."""
