"""Where image bytes live: storing, fetching from guarded URLs, converting, signing links."""
