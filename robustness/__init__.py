"""What must not break the node: fuzzing, endurance, faults. Development only."""
