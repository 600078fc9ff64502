"""Many runs of one spec: grids and searches of settings, each run in a process and a folder of its own."""
