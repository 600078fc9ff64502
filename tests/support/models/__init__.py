"""Models and folders of models that several tests read: small, with random weights, or as their papers write them."""
