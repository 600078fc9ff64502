"""Random programs, each made twice at once: as a text in mai, and as what it means for one example, in plain numpy.

Nothing of the compiler takes part in the meaning, so a program whose file gives other numbers is a fault of the language's
rules, of lead axes or of a lowering: what torch and ONNX Runtime cannot show, since both are given the same graph.
"""
