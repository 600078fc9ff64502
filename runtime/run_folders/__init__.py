"""The folders of runs, as `mai train` leaves them: what they say, tables and curves that compare them, what can go."""
