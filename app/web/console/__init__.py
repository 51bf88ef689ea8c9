"""The operator's console: static files and the route that serves them. All it knows it asks the admin API."""
