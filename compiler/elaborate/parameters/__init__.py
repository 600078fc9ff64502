"""First values of weights, second sets of a net's weights, and states that training writes."""
