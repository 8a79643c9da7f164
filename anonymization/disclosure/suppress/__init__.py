"""What must be hidden beside the unsafe figures, and what can be shown after all."""
