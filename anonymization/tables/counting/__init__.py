"""Events to true tables: distinct persons by cell and margin, and the independent count of the gate."""
