"""Running a composed network: the reference that defines the bits, and executors equal to it."""
