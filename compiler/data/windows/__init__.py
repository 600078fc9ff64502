"""Tables in the order of time as windows: what is past and what follows, for training and for forecasts."""
