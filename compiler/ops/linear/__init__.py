"""Linear algebra: factors of matrices, and solutions of linear equations.

Torch has LAPACK's kernels. A file has rounds of standard operators, written out for small matrices and in a loop for others
(`kernels.py`). A matrix that has no such factor or solution gives NaN, for its example alone.
"""
