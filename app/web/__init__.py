"""HTTP and nothing else: endpoints, middleware and error rendering over the gateway's use cases."""
