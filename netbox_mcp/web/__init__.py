"""What people see in a browser: pages made on the server, which need no build step and no internet."""
