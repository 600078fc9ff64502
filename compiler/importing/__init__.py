"""`mai import`: a folder of a model as other programs write it becomes a spec, by records of known families."""
