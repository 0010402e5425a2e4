"""What runs in the background: queue, tasks, tracker, leases, journal and the worker process."""
