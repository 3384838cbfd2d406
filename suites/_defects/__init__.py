"""Client-side defects that prove that the suites detect them; a normal run never loads this package."""
