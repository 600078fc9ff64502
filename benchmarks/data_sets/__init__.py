"""Public data sets that packages ship: one spec each, beside scikit-learn on the same rows."""
