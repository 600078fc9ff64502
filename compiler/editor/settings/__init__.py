"""Settings: what each means, which a call takes, and the page of all of them."""
