"""Routes of other APIs, written as Gateway API: from the routing that they mean, not from their fields. Pure."""
