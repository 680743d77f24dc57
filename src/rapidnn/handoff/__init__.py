"""Hand-off: a composed network in forms that other tools and chips run, with the same integers."""
