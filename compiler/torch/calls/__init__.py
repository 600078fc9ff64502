"""What generated code says in one call: draws, attention, exact transport, implicit and adjoint derivatives."""
