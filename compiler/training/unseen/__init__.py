"""What the weights do on the examples that they are not trained on."""
