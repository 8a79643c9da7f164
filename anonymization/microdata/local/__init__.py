"""A level a class: classes of k persons or more, each generalized as little as it can be."""
