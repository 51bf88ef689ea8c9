"""The operator's HTTP surface: one router per resource, all behind the admin key."""
