"""What the Quilt suites share: target, sessions, independent observer, seeds, work space, faults, call log."""
