"""The suite proof: each declared defect is switched on, and the tests named for it must turn red."""
