"""The suite proof: switch on one declared defect after the other and see the tests named for it turn red."""
