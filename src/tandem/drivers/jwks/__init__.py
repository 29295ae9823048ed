"""Key sets for tokens, fetched from where issuers publish them."""
