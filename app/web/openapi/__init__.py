"""The OpenAPI document of client and admin routes: what they take, what they answer, and with which statuses."""
