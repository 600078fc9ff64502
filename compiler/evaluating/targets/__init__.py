"""What an export is compared with: read off the graphs, or seen by numbers of our own in the place of nets' results."""
