"""Traffic on real sockets, seen below the client libraries: the ground truth of evidence."""
