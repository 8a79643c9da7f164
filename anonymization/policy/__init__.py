"""What the policy folder declares, and what the policy decides."""
