"""What training compares with: losses, the exact matching of clouds."""
