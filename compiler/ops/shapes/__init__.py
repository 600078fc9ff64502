"""Operations that move elements: reshaping, joining, slicing, taking."""
