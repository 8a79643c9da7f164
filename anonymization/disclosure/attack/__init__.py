"""What a reader can derive of hidden figures: exact bounds of every figure and every difference."""
